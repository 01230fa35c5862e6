"""A bug in what shows a report: the measurement, its exit code and what else shows it are as if there were none."""

import pytest
from run_fixtures import Project
from toy import add_case

BUGS = {
    "report.html": ("utils/report/html.py", "def html(report: Report, folder: Path) -> str:\n"),
    "report.md": ("utils/report/markdown.py", "def markdown(report: Report) -> str:\n"),
    "the table in the terminal": ("utils/report/terminal.py", "def _title(report: Report) -> Text:\n"),
}


def broken(project: Project, what: str) -> str:
    """Let what makes this fail; return the file as it was."""
    name, begin = BUGS[what]
    text = (project.folder / name).read_text()
    assert text.count(begin) == 1
    project.write(name, text.replace(begin, begin + "    raise KeyError('joules')\n"))
    return text


@pytest.mark.parametrize("what", BUGS)
def test_a_bug_in_one_view_of_a_report_leaves_the_others_and_is_told_in_a_line(project, what):
    project.host_yaml(CASES=add_case(project, "toy"))
    text = broken(project, what)
    run, folder = project.run(), (project.results / "latest").resolve()
    assert (run.status, "Traceback" in run.output) == (0, False), run.output
    [line] = [line for line in run.output.splitlines() if line.startswith("run.py: ")]
    assert line.startswith(f"run.py: {folder.name}: {what} cannot be made: KeyError: 'joules'; that is a bug of Accelmark's")
    assert "Traceback" in (folder / "host.out.log").read_text()
    assert {"report.json", "report.html", "report.md"} - {what} == {path.name for path in folder.glob("report.*")}
    assert (f"Accelmark {folder.name}" in run.output) == what.startswith("report.")

    asked = ["--markdown"] if what == "report.md" else []
    again = project.run("report", *asked)
    status = 0 if what == "report.html" else 1
    assert (again.status, line in again.output, "Traceback" in again.output) == (status, True, False)
    project.write(BUGS[what][0], text)
    mended = project.run("report")
    assert (mended.status, f"Accelmark {folder.name}" in mended.output) == (0, True)
    assert {path.name for path in folder.glob("report.*")} == {"report.json", "report.html", "report.md"}
