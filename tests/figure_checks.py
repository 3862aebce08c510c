"""Checks of figures that all tests of pictures share."""


def inside(figure) -> bool:
    """Whether no text reaches beyond the paper, nor a title into the next panel."""
    figure.draw_without_rendering()
    drawn, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    on_paper = drawn.x0 >= 0 and drawn.y0 >= 0 and drawn.x1 <= width and drawn.y1 <= height
    return on_paper and all(_title_fits(axis, figure) for axis in figure.axes)


def _title_fits(axis, figure) -> bool:
    box = axis._left_title.get_window_extent()
    others = [other.get_window_extent() for other in figure.axes if other is not axis]
    return not any(box.x0 < o.x1 and o.x0 < box.x1 and box.y0 < o.y1 and o.y0 < box.y1 for o in others)
