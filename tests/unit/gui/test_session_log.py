"""What went wrong can be copied into an issue, and is in the session's folder."""

from qtpy.QtWidgets import QApplication

from napari_cellseg_ssl.tasks.support import LOG_FILE


def test_a_report_can_be_copied_beside_an_error_and_holds_its_traceback(screen):
    assert not screen.find("copy_report").isVisibleTo(screen.dock)

    screen.train(steps=9, fail="RuntimeError")
    screen.wait_idle()
    screen.find("copy_report").click()

    text = QApplication.clipboard().text()
    assert screen.status.split(".")[0] in text
    assert "Traceback" in text
    assert "napari: " in text


def test_the_log_of_a_session_lies_in_its_folder(screen, sessions):
    screen.train(steps=2)
    screen.wait_idle()

    logs = list(sessions.glob(f"*/{LOG_FILE}"))
    assert len(logs) == 1
    assert "training began" in logs[0].read_text(encoding="utf-8")


def test_a_closed_session_listens_no_longer(screen):
    handlers = len(screen.controller.log.lines.lines)
    screen.controller.dispose()
    from napari_cellseg_ssl.tasks.support import logger

    logger().error("of another window")

    assert len(screen.controller.log.lines.lines) == handlers
