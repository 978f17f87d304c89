"""The page: create a job, watch it, see what it made. `build_app().launch()` serves it; it computes nothing itself.

| module | what |
|---|---|
| workbench | the server: pages, routes and the worker it watches, put together |
| pages, theme, static/ | what a browser is given |
| identity | who is asking: an account, a browser, or a program's own key |
| desk, job_desk | what a person can do, as plain functions of a principal |
| routes | the desk over HTTP; bytes and errors as every HTTP door gives them: entrypoints/web |
| endpoints | the desk for programs: named Gradio endpoints and MCP tools |
| companion | the worker process that the page starts and watches |
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ugclab.entrypoints.ui.workbench import Workbench
    from ugclab.jobs.queue import Queue
    from ugclab.settings import Settings


def build_app(settings: "Settings | None" = None, queue: "Queue | None" = None) -> "Workbench":
    """Make the page, over a queue of its own or of the server it is mounted in.

    Raises EngineUnavailable where its packages are missing.
    """
    from ugclab.errors import EngineUnavailable
    from ugclab.settings import Settings

    try:
        from ugclab.entrypoints.ui.workbench import Workbench
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"the page needs {error.name}", hint="pip install 'ugclab[ui]'") from error
    return Workbench(settings or Settings(), queue).with_pages()
