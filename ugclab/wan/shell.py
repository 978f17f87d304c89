"""Split shell text into simple commands with their words, as far as a reader can without running anything.

Quotes, continuations, comments, operators, redirections, assignments, arrays and `${NAME:-default}` are understood.
Known variables are put in; what only running would tell (`$(...)`, unset variables, `$@`) stays in the word as text,
so that a later reader sees it is unresolved. Nothing raises: a quote that never closes is a plain character.
"""

import re
from dataclasses import dataclass, field

Variables = dict[str, list[str]]
"""Values by name: one string for a variable, several for an array."""

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=")
_PLAIN = re.compile(r"[^\s;&|()<>\\'\"$`]+")  # characters that mean themselves, unquoted
_PLAIN_QUOTED = re.compile(r"[^\\$`]+")  # and within double quotes
_NAME = re.compile(r"[A-Za-z_]\w*|[\d@*?#$!-]")
_BRACED = re.compile(r"([A-Za-z_]\w*)(\[[@*]\])?(?::?[-=]([^}]*))?$")
_DECLARE = {"export", "local", "readonly", "declare", "typeset"}
_OPERATORS = set(";&|()\n")


@dataclass
class SimpleCommand:
    """One command: its words after expansion, the assignments before it, the line of its first word (from 1)."""

    words: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass
class _Word:
    """A word being read. Unquoted expansions may split it into several."""

    fields: list[str] = field(default_factory=lambda: [""])
    quoted: bool = False
    started: bool = False

    def add(self, text: str, *, quoted: bool = True) -> None:
        self.started = True
        self.quoted = self.quoted or quoted
        self.fields[-1] += text

    def expand(self, values: list[str], *, quoted: bool, array: bool) -> None:
        """Put an expansion in: an array gives a word each, an unquoted value is split at blanks."""
        self.started = True
        pieces = values if array else values[:1]
        if not quoted:
            pieces = [piece for value in pieces for piece in value.split()]
        else:
            self.quoted = True
        if pieces:
            self.fields[-1] += pieces[0]
            self.fields += pieces[1:]

    def words(self) -> list[str]:
        if self.quoted and len(self.fields) == 1:
            return self.fields
        return [text for text in self.fields if text]


class _Lexer:
    def __init__(self, text: str, variables: Variables) -> None:
        self.text = text
        self.variables = variables
        self.at = 0
        self.line = 1
        self.command = SimpleCommand()
        self.commands: list[SimpleCommand] = []

    def run(self) -> list[SimpleCommand]:
        while self.at < len(self.text):
            self._step()
        self._end()
        return self.commands

    def _step(self) -> None:
        char = self.text[self.at]
        if self.text.startswith("\\\n", self.at):
            self._skip(2)
        elif char in "<>" or self.text.startswith("&>", self.at):
            self._redirection()
        elif char in _OPERATORS:
            self._skip(1)
            self._end()
        elif char.isspace():
            self._skip(1)
        elif char == "#":
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        else:
            self._take_word()

    def _skip(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _end(self) -> None:
        """Close the command: alone, its assignments stay; before a command, they are its environment."""
        command = self.command
        if command.words and command.words[0] in _DECLARE:
            for word in command.words[1:]:
                if match := _ASSIGNMENT.match(word):
                    self.variables[match[1]] = [word[match.end() :]]
        elif command.words:
            self.commands.append(command)
        else:
            self.variables.update({name: [value] for name, value in command.environment.items()})
        self.command = SimpleCommand()

    def _redirection(self) -> None:
        """Drop an operator such as `2>&1`, `>> log`, `<<EOF`, `< file` with the word it takes."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] in "<>&|-":
            self.at += 1
        if self.at < len(self.text) and self.text[self.at] in " \t":
            while self.at < len(self.text) and self.text[self.at] in " \t":
                self.at += 1
        elif self.at == start:
            self.at += 1
        if self.at < len(self.text) and self.text[self.at] not in _OPERATORS | set("<>#") and not self._blank():
            self._word()

    def _blank(self) -> bool:
        return self.text[self.at].isspace()

    def _take_word(self) -> None:
        line = self.line
        if not self.command.words and (match := _ASSIGNMENT.match(self.text, self.at)):
            self._skip(match.end() - self.at)
            if self.at < len(self.text) and self.text[self.at] == "(":
                self._array(match[1])
            else:
                self.command.environment[match[1]] = " ".join(self._word())
            return
        words = self._word()
        if self.at < len(self.text) and self.text[self.at] in "<>" and len(words) == 1 and words[0].isdecimal():
            return  # the file descriptor of a redirection
        if words and not self.command.words:
            self.command.line = line
        self.command.words += words

    def _array(self, name: str) -> None:
        values: list[str] = []
        self._skip(1)
        while self.at < len(self.text) and self.text[self.at] != ")":
            if self._blank() or self.text.startswith("\\\n", self.at):
                self._skip(1 if self._blank() else 2)
            elif self.text[self.at] == "#":
                self._skip(max(1, self.text.find("\n", self.at) - self.at))
            elif self.text[self.at] in _OPERATORS | set("<>"):
                self._skip(1)
            else:
                values += self._word()
        self._skip(1)
        self.variables[name] = values

    def _word(self) -> list[str]:
        word = _Word()
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or char in _OPERATORS or char in "<>":
                break
            if char == "\\":
                following = self.text[self.at + 1 : self.at + 2]
                if following != "\n":
                    word.add(following)
                self._skip(2)
            elif char == "'" and (end := self.text.find("'", self.at + 1)) >= 0:
                word.add(self.text[self.at + 1 : end])
                self._skip(end + 1 - self.at)
            elif char == '"' and (end := self._closing_quote()) >= 0:
                self._double_quoted(word, end)
            elif char in "$`":
                self._expansion(word, quoted=False)
            else:
                run = _PLAIN.match(self.text, self.at)
                word.add(run[0] if run else char, quoted=False)
                self._skip(len(run[0]) if run else 1)
        return word.words() if word.started else []

    def _closing_quote(self) -> int:
        at = self.at + 1
        while at < len(self.text):
            if self.text[at] == '"':
                return at
            at += 2 if self.text[at] == "\\" else 1
        return -1

    def _double_quoted(self, word: _Word, end: int) -> None:
        self._skip(1)
        word.add("")
        while self.at < end:
            char = self.text[self.at]
            if char == "\\" and self.text[self.at + 1] in '$`"\\\n':
                if self.text[self.at + 1] != "\n":
                    word.add(self.text[self.at + 1])
                self._skip(2)
            elif char in "$`":
                self._expansion(word, quoted=True)
            else:
                run = _PLAIN_QUOTED.match(self.text, self.at, end)
                word.add(run[0] if run else char)
                self._skip(len(run[0]) if run else 1)
        self.at = max(self.at, end)
        self._skip(1)

    def _expansion(self, word: _Word, *, quoted: bool) -> None:
        """Read `$NAME`, `${NAME...}`, `$(...)` or a backtick substitution at the current place."""
        start = self.at
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            self._skip((end if end > 0 else start) + 1 - start)
            word.add("$(...)", quoted=quoted)
            return
        opening = self.text[start + 1 : start + 2]
        if opening == "(":
            self._skip(self._balanced(start + 1) - start)
            word.add("$(...)", quoted=quoted)
        elif opening == "{" and (end := self.text.find("}", start)) > 0:
            self._skip(end + 1 - start)
            self._put(word, self.text[start + 2 : end], quoted=quoted)
        elif match := _NAME.match(self.text, start + 1):
            self._skip(match.end() - start)
            self._put(word, match[0], quoted=quoted)
        else:
            word.add("$", quoted=quoted)
            self._skip(1)

    def _put(self, word: _Word, expression: str, *, quoted: bool) -> None:
        match = _BRACED.match(expression)
        name, default = (match[1], match[3]) if match else (expression, None)
        if match and name in self.variables:
            word.expand(self.variables[name], quoted=quoted, array=bool(match[2]))
        elif default is not None:
            word.expand([default.strip("\"'")], quoted=quoted, array=False)
        else:
            word.add("${" + expression.replace("}", "") + "}", quoted=quoted)

    def _balanced(self, at: int) -> int:
        depth = 0
        for end in range(at, len(self.text)):
            depth += {"(": 1, ")": -1}.get(self.text[end], 0)
            if depth == 0:
                return end + 1
        return len(self.text)


def split_commands(text: str, variables: Variables | None = None) -> list[SimpleCommand]:
    """The simple commands of a piece of shell. `variables` are known before it, and are added to."""
    return _Lexer(text.replace("\r\n", "\n"), {} if variables is None else variables).run()
