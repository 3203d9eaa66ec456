"""``ground features plot``: files that are what their names say, labels that can be read, errors that help."""

from __future__ import annotations

import itertools
import re
import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.backends.backend_agg import RendererAgg

from ground.features.curves import curves_of
from ground.features.excerpt import read_excerpt
from ground.features.picture import PlotRequest, plot_window
from ground.features.plot import window_figure
from ground.features.source import SourcedSpec
from ground.recordings import read_index
from ground.report.figure import painted
from ground.scaling import fit_scaler
from shared_features.groups import Carrier, ShaftOrders
from shared_features.vector import columns_of

HEALTHY, OUTER, FLAT = (f"sim-e{engine:04d}-f000" for engine in range(3))


@pytest.fixture
def plot(features, fleet, config_file):
    """Calls ``ground features plot`` on the fleet with the config of every group."""

    def call(name, *arguments, at_s=19):
        return features("plot", name, "--at", at_s, "--data", fleet, "--config", config_file, *arguments)

    return call


@pytest.fixture(scope="module")
def outer(tmp_path_factory, fleet, people_spec):
    """One window of the outer race fault as PNG, SVG and HTML."""
    folder = tmp_path_factory.mktemp("outer")
    for kind in ("png", "svg", "html"):
        request = PlotRequest(recording=OUTER, data=fleet, at_s=19.0, channel="", out=folder / f"window.{kind}")
        plot_window(request, SourcedSpec(spec=people_spec, name="people"))
    return folder


def test_a_png_is_a_picture(plot, work_dir, outer):
    """Signature, size, end; the terminal says what it shows and where it is; the same bytes every time."""
    out = work_dir / "new" / "window.png"
    outcome = plot(OUTER, "--out", out)
    data = out.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    width, height = struct.unpack(">II", data[16:24])
    assert width == 1530
    assert height > width
    assert (outcome.code, outcome.out) == (0, "")
    facts, *rest = outcome.err.splitlines()
    assert re.fullmatch(rf"{OUTER}, 19 to 21 s, cruise: N1 .* Hz, N2 .* Hz, recording labelled .*bearing outer", facts)
    assert rest == ["can be assessed", f"written: {out}"]
    assert data == (outer / "window.png").read_bytes()


def texts_of(svg):
    """The texts of an SVG, which is well formed."""
    elements = ET.fromstring(svg).iter()  # noqa: S314 - written by the code under test
    return [text for element in elements if (text := (element.text or "").strip())]


def test_an_svg_holds_titles_units_and_marks_as_text(outer):
    """Searchable, with the unit of each axis."""
    texts = texts_of((outer / "window.svg").read_text())
    for expected in (
        "Waveform", "time (s)", "acc_1 (g)", "time (ms)", "frequency (Hz)", "density (dB re 1 g²/Hz)",
        "Envelope spectrum of 2,000 to 4,000 Hz", "modulation (RMS over mean)", "multiple of N1", "RMS (g)",
        "Orders of N2; dots: features", "22x", "velocity", "N1 4-20x", "can be assessed",
    ):  # fmt: skip
        assert expected in texts
    assert any(text.startswith(f"{OUTER}, 19 to 21 s, cruise: acc_1") for text in texts)
    assert [text.split()[1] for text in texts if text.startswith("front ")] == ["FTF", "BSF", "BPFI", "BPFO"]


def test_the_same_window_gives_the_same_text(plot, work_dir, outer):
    """No date, no random ids."""
    plot(OUTER, "--out", work_dir / "again.svg")
    assert (work_dir / "again.svg").read_bytes() == (outer / "window.svg").read_bytes()


def test_without_a_name_it_is_a_png_here(plot, work_dir):
    """Named after the recording and the start of the window, so that windows do not overwrite each other."""
    plot(OUTER, at_s=19.4)
    assert [path.name for path in work_dir.iterdir()] == [f"{OUTER}-19s.png"]


def test_another_channel_is_another_picture(plot, work_dir):
    """By name; of its page, too."""
    for kind in ("svg", "html"):
        plot(OUTER, "--channel", "acc_2", "--out", work_dir / f"second.{kind}")
    texts = texts_of((work_dir / "second.svg").read_text())
    assert "acc_2 (g)" in texts
    assert "acc_1 (g)" not in texts
    page = read_page(work_dir / "second.html")
    assert sum(link.startswith("data:image/svg") for link in page.links) == 1
    assert {row[0].partition(".")[0] for row in page.rows if row[0] != "feature"} == {"acc_2", "n1_hz", "n2_hz"}


class Page(HTMLParser):
    """What a page refers to, and the rows of its tables."""

    def __init__(self, text):
        super().__init__()
        self.links, self.rows, self.texts, self.stack = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        """Note links and rows."""
        if tag not in {"meta", "link", "img"}:
            self.stack.append(tag)
        self.links += [value for name, value in attributes if name in {"src", "href", "srcset"}]
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag):
        """Check that what ends is what began last."""
        assert self.stack.pop() == tag

    def handle_data(self, data):
        """Note texts and cells."""
        self.texts.append(data)
        if self.stack and self.stack[-1] in {"td", "th"}:
            self.rows[-1].append(data)


def read_page(path):
    """A page that is well formed and needs nothing else."""
    text = path.read_text()
    page = Page(text)
    assert page.stack == []
    assert all(link.startswith("data:") for link in page.links)
    assert "<script" not in text
    return page


def test_a_page_holds_pictures_and_features(outer, fleet, people_spec):
    """One picture a channel, and every feature with its value, unit and formula."""
    page = read_page(outer / "window.html")
    assert sum(link.startswith("data:image/svg+xml;base64,") for link in page.links) == 2
    info = next(info for info in read_index(fleet) if info.recording_id == OUTER)
    values = read_excerpt(fleet, info, people_spec, 19.0).values
    rows = {row[0]: row for row in page.rows if row[0] != "feature"}
    columns = columns_of(people_spec)
    assert set(rows) == {column.name for column in columns}
    for column, value in zip(columns, values.tolist(), strict=True):
        _, shown, unit, formula = rows[column.name]
        assert float(shown.replace(",", "")) == pytest.approx(value, rel=6e-3, abs=1e-30)
        assert (unit, formula) == (column.unit, column.formula)


def test_a_bundle_tells_how_far_off_each_feature_is(features, fleet, people_bundle, people_spec, work_dir):
    """Healthy range and distance in standard deviations: an outer race fault stands out."""
    pages, off = {}, {}
    for name in (HEALTHY, OUTER):
        arguments = ("--data", fleet, "--bundle", people_bundle.path, "--out", work_dir / "window.html")
        assert features("plot", name, "--at", 19, *arguments).code == 0
        pages[name] = read_page(work_dir / "window.html")
        off[name] = [float(row[3]) for row in pages[name].rows if row[0] != "feature"]
    scaler = fit_scaler(people_spec, people_bundle.values)
    cells = next(row for row in pages[HEALTHY].rows if row[0] == "acc_1.mean")
    assert float(cells[2].partition(" to ")[0]) == pytest.approx(scaler.mean[0] - scaler.std[0], rel=1e-2)
    assert max(map(abs, off[HEALTHY])) < 5.0 < max(map(abs, off[OUTER]))
    assert any("bundle people/1.0.0" in text for text in pages[OUTER].texts)


@pytest.mark.parametrize("fault", ["<b>$a_b$</b>", r"$\bad{$"], ids=["markup", "a formula that is none"])
def test_names_from_files_are_text(fleet, features, config_file, work_dir, fault):
    """An index may hold any text: neither HTML nor matplotlib's formulas."""
    folder = work_dir / "raw"
    (folder / "simulated").mkdir(parents=True)
    (folder / "recordings.csv").write_text((fleet / "recordings.csv").read_text().replace("bearing_outer", fault))
    (folder / "simulated" / f"{OUTER}.parquet").symlink_to(fleet / "simulated" / f"{OUTER}.parquet")
    for kind in ("html", "svg"):
        out = work_dir / f"window.{kind}"
        outcome = features("plot", OUTER, "--at", 19, "--data", folder, "--config", config_file, "--out", out)
        assert outcome.code == 0
    shown = f": {fault.replace('_', ' ')}"
    assert "<b>" not in (work_dir / "window.html").read_text()
    assert any(shown in text for text in read_page(work_dir / "window.html").texts)
    assert any(shown in text for text in texts_of((work_dir / "window.svg").read_text()))


def test_a_window_that_is_not_assessed_says_why(plot, work_dir):
    """On the terminal, in the picture and on the page, which shows no features then."""
    outcome = plot(FLAT, "--out", work_dir / "window.html", at_s=28)
    assert outcome.code == 0
    assert "not assessed: flat sensor" in outcome.err
    page = read_page(work_dir / "window.html")
    assert "not assessed: flat sensor" in page.texts
    assert page.rows == []
    plot(FLAT, "--out", work_dir / "window.svg", at_s=28)
    assert "not assessed: flat sensor" in texts_of((work_dir / "window.svg").read_text())


def test_an_open_band_is_told(features, fleet, changed_config, work_dir):
    """With ``auto`` the envelope is drawn in a stand-in, and the terminal says so."""
    path = changed_config(lambda document: document["features"]["envelope"].update(band_hz="auto"))
    outcome = features("plot", HEALTHY, "--at", 1, "--data", fleet, "--config", path, "--out", work_dir / "a.svg")
    assert "features.envelope.band_hz is auto" in outcome.err
    assert "Envelope spectrum of 2,560 to 3,840 Hz" in texts_of((work_dir / "a.svg").read_text())


BAD = [
    ("a time outside", [OUTER, "--at", "31"], f"--at: expected a time at which {OUTER} has samples, got 31 s"),
    ("no time at all", [OUTER, "--at", "nan"], "--at: expected seconds from the recording's start, got nan"),
    ("an unknown recording", ["sim", "--at", "1"], "recordings.csv: expected recording 'sim', got 3 others"),
    ("an unknown channel", [OUTER, "--at", "1", "--channel", "x"], "--channel: expected one of acc_1, acc_2"),
    ("a kind that is none", [OUTER, "--at", "1", "--out", "w.pdf"], "--out: expected a name that ends with .png, .svg"),
    ("no kind", [OUTER, "--at", "1", "--out", "w"], "--out: expected a name that ends with .png, .svg, .html, got 'w'"),
    ("no folder", [OUTER, "--at", "1", "--data", "none"], "none/recordings.csv: expected the index"),
    ("two specs", [OUTER, "--at", "1", "--spec", "s.json"], "--config, --spec, --bundle: expected one of them"),
]


@pytest.mark.parametrize(("arguments", "expected"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_told(plot, work_dir, arguments, expected):
    """Code 2, the option or the file, and nothing is written."""
    outcome = plot(arguments[0], *arguments[3:], at_s=arguments[2])
    assert outcome.code == 2
    assert expected in outcome.err
    assert outcome.err.startswith("error: ")
    assert list(work_dir.iterdir()) == []


def test_a_damaged_recording_is_told(features, fleet, config_file, work_dir):
    """The file is named."""
    folder = work_dir / "raw"
    (folder / "simulated").mkdir(parents=True)
    (folder / "recordings.csv").write_bytes((fleet / "recordings.csv").read_bytes())
    (folder / "simulated" / f"{OUTER}.parquet").write_bytes(b"PAR1")
    outcome = features("plot", OUTER, "--at", 1, "--data", folder, "--config", config_file)
    assert outcome.code == 2
    assert f"{OUTER}.parquet: expected a complete Parquet file" in outcome.err


def test_another_rig_is_refused_before_anything_is_read(features, fleet, work_dir):
    """The packaged example has one channel of the same name and rate, so a femto config is given."""
    path = work_dir / "spec.json"
    path.write_text('{"schema": 2}')
    outcome = features("plot", OUTER, "--at", 1, "--data", fleet, "--spec", path)
    assert (outcome.code, outcome.err.startswith(f"error: {path}: ")) == (2, True)


CROWDED = {
    "shafts": (
        ShaftOrders("n1", orders=tuple(np.arange(1, 21) / 2.0), carriers=(Carrier(22.0, 4), Carrier(23.0, 1))),
        ShaftOrders("n2", orders=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0)),
    ),
    "max_hz": 2000.0,
}


@pytest.mark.parametrize("crowded", [False, True], ids=["usual", "crowded"])
@pytest.mark.parametrize("at_s", [5.0, 19.0], ids=["run-up", "steady"])
def test_labels_do_not_overlap(fleet, people_spec, drawn_boxes, crowded, at_s):
    """Titles, captions, marks and axis labels as they are drawn, each pair of them; and all lie within the figure."""
    spec = replace(people_spec, orders=replace(people_spec.orders, **CROWDED)) if crowded else people_spec
    info = next(info for info in read_index(fleet) if info.recording_id == OUTER)
    excerpt = read_excerpt(fleet, info, spec, at_s)
    boxes, width, height = drawn_boxes(painted(lambda: window_figure(excerpt, curves_of(excerpt, 0))))
    assert {"Waveform", "N1 4-20x", "time (s)", "22x"} <= {text for text, _ in boxes}
    for (one, first), (other, second) in itertools.combinations(boxes, 2):
        overlap = first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
        assert not overlap, f"{one!r} lies on {other!r}"
    for text, (left, top, right, bottom) in boxes:
        assert left >= 0 <= top, f"{text!r} leaves the picture"
        assert right <= width + 2 and bottom <= height, f"{text!r} leaves the picture"  # noqa: PT018


@pytest.fixture
def drawn_boxes(monkeypatch):
    """Paints, and gives every text that was drawn with its box (left, top, right, bottom), and the size, in pixels."""

    def paint(make):
        boxes = {}
        draw_text = RendererAgg.draw_text

        def noted(renderer, gc, x, y, text, font, angle, *rest, **options):  # noqa: PLR0917 - as matplotlib calls it
            width, height, descent = renderer.get_text_width_height_descent(text, font, ismath=False)
            across = (x, y - height + descent, x + width, y + descent)
            upright = (x - height + descent, y - width, x + descent, y)
            boxes[text, x, y] = upright if angle else across
            return draw_text(renderer, gc, x, y, text, font, angle, *rest, **options)

        monkeypatch.setattr(RendererAgg, "draw_text", noted)
        width, height = struct.unpack(">II", make()[16:24])
        return [(text, box) for (text, _, _), box in boxes.items()], width, height

    return paint
