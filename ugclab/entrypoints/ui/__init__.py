"""The page: create a job, watch it, see what it made. `build_app().launch()` serves it; it computes nothing itself.

| module | what |
|---|---|
| workbench | the server: pages, routes and the worker it watches, put together |
| pages, theme, static/ | what a browser is given |
| identity | who is asking: an account, a browser, or a program's own key |
| desk, job_desk | what a person can do, as plain functions of a principal |
| routes, serving | the desk over HTTP, and bytes with ranges |
| endpoints | the desk for programs: named Gradio endpoints and MCP tools |
| companion | the worker process that the page starts and watches |
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ugclab.entrypoints.ui.workbench import Workbench
    from ugclab.settings import Settings


def build_app(settings: "Settings | None" = None) -> "Workbench":
    """Make the page. Raises EngineUnavailable where its packages are missing."""
    from ugclab.errors import EngineUnavailable
    from ugclab.settings import Settings

    try:
        from ugclab.entrypoints.ui.workbench import Workbench
    except ModuleNotFoundError as error:
        raise EngineUnavailable(f"the page needs {error.name}", hint="pip install 'ugclab[ui]'") from error
    return Workbench(settings or Settings()).with_pages()
