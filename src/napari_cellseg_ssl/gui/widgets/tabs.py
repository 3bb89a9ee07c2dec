"""The plugin's docks share one place in the window, on tabs, however they are opened."""

from qtpy.QtWidgets import QDockWidget, QMainWindow

PLUGIN = " ("
"""Where the name of the plugin begins, which napari adds to the title of a dock; a tab has no room for it."""


def join(dock: QDockWidget, kind: type, *, is_new: bool) -> None:
    """Bring a dock in front of those of its kind; a new one comes onto a tab beside those at the same side.

    Parameters
    ----------
    kind : type
        Of the widgets in the docks.
    is_new : bool
        Whether it was just opened; later it stays where the user has put it.
    """
    window = dock.parentWidget()
    if not isinstance(window, QMainWindow) or dock.isFloating():
        return
    if is_new:
        title = dock.windowTitle().replace("&&", "&").split(PLUGIN)[0]
        dock.setWindowTitle(title.replace("&", "&&"))  # on a tab, a single & would underline the next letter
        others = [other for other in window.findChildren(QDockWidget) if _is_beside(other, dock, kind, window)]
        if others and not set(others) & set(window.tabifiedDockWidgets(dock)):
            window.tabifyDockWidget(others[-1], dock)
    dock.raise_()


def _is_beside(other: QDockWidget, dock: QDockWidget, kind: type, window: QMainWindow) -> bool:
    return (
        other is not dock
        and isinstance(other.widget(), kind)
        and not other.isFloating()
        and window.dockWidgetArea(other) == window.dockWidgetArea(dock)
    )
