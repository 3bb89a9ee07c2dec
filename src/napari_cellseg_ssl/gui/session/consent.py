"""Asking before something of the user's is replaced."""

from collections.abc import Sequence

from qtpy.QtWidgets import QApplication, QMessageBox


def ask(title: str, text: str, answers: Sequence[str]) -> str | None:
    """Ask a question; returns the answer, None if the user wants nothing of it.

    Parameters
    ----------
    answers : sequence of str
        The safest first: it is what Return presses.
    """
    box = QMessageBox(QApplication.activeWindow())
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle(title)
    box.setText(text)
    buttons = [box.addButton(answer, QMessageBox.ButtonRole.AcceptRole) for answer in answers]
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(buttons[0])
    box.exec()
    return next((answer for answer, made in zip(answers, buttons, strict=True) if made is box.clickedButton()), None)
