"""The tables of a report, which every rendering lays out in its own way."""

from __future__ import annotations

from collections.abc import Mapping

from ...runtime.program import INPUT
from ...targets.diagnostic import Diagnostic
from ...targets.records import dataclass
from ...targets.terminal.findings import format_number, node_names
from .content import LayerRow, LedgerRow, NumbersRow, ReadLayer, Report
from .keys import keys_of
from .summary import BAD, GOOD, NOTHING, findings, ledger_note, stages, state_of

_STATUS = {"fits-with-warnings": "warnings", "does-not-fit": "does not fit"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``numeric`` ones stand to the right. One that ``folds`` becomes a remark where all rows agree."""

    title: str
    numeric: bool = False
    folds: bool = False
    detail: str = ""
    """Said in small print below the title, where there is room."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell; ``share`` (1 is the limit) can be drawn as a bar, ``state`` is good, warning, bad or empty."""

    text: str
    detail: str = ""
    """Said in small print below the text, where there is room."""
    share: float | None = None
    state: str = ""
    key: str = ""
    """The layer's letter, told before its name on a page."""
    links: tuple[tuple[str, str], ...] = ()
    """Words of the text that lead elsewhere on the page, each with its anchor."""
    anchor: str = ""
    """What leads to the row of a page that begins with this cell."""


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A titled table whose first column names the rows. ``note`` explains it below the title."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def layer_tables(report: Report) -> tuple[ReportTable, ...]:
    """The tables of layers, and of what their integers are like, as far as there are any."""
    tables = (_layers(report), _read_layers(report.read), _numbers(report.layers, report.numbers))
    return tuple(folded(table) for table in tables if table.rows)


def ledger_table(rows: tuple[LedgerRow, ...]) -> ReportTable:
    """Accuracy from stage to stage; without rows where nothing was measured, which the note then says."""
    is_unlabelled = all(row.accuracy is None for row in rows)
    columns = (
        Column("stage"),
        Column("accuracy", numeric=True, folds=is_unlabelled),
        Column("change", numeric=True, folds=is_unlabelled),
        Column("agrees", numeric=True),
        Column("correlates", numeric=True),
        Column("what it is"),
    )
    cells = tuple(
        (
            Cell(each.row.stage),
            Cell(each.accuracy_text, share=each.row.accuracy),
            Cell(each.change_text),
            Cell(each.agreement_text),
            Cell(each.correlation_text),
            Cell(each.row.note),
        )
        for each in stages(rows)
    )
    return folded(ReportTable("Accuracy", columns, cells, ledger_note(rows)))


def folded(table: ReportTable) -> ReportTable:
    """Tell in the note what is the same in every row, in place of a column that says nothing more."""
    values = [{row[i].text for row in table.rows} for i in range(len(table.columns))]
    agreed = [
        column.folds and len(texts) == 1 and (len(table.rows) > 1 or NOTHING in texts)
        for column, texts in zip(table.columns, values, strict=True)
    ]
    told = [
        f"{column.title} {min(texts)}"
        for column, texts, same in zip(table.columns, values, agreed, strict=True)
        if same and NOTHING not in texts
    ]
    kept = [i for i, same in enumerate(agreed) if not same]
    sentences = (table.note, f"The same in every layer: {', '.join(told)}." if told else "")
    return ReportTable(
        table.title,
        tuple(table.columns[i] for i in kept),
        tuple(tuple(row[i] for i in kept) for row in table.rows),
        " ".join(each for each in sentences if each),
    )


def _layers(report: Report) -> ReportTable:
    columns = (
        Column("layer"),
        Column("key"),
        Column("reads", folds=True),
        Column("shape"),
        Column("neurons", numeric=True),
        Column("synapses", numeric=True),
        Column("cores", numeric=True),
        Column("synapses held", folds=True),
        Column("depth", numeric=True),
        Column("delay", numeric=True, folds=True),
        Column("gated", folds=True),
        Column("status"),
        Column("findings", folds=True),
    )
    note = (
        "Keys stand for layers in drawings. Synapses are counted unrolled. Layers that leave room on a core may share "
        "it with others."
    )
    keys = {INPUT: INPUT, **keys_of([row.name for row in report.layers])}
    told = findings(report)
    rows = tuple(_layer_cells(row, number, keys, told) for number, row in enumerate(report.layers, 1))
    return ReportTable("Layers", columns, rows, note)


def _layer_cells(row: LayerRow, number: int, keys: Mapping[str, str], told: tuple[Diagnostic, ...]) -> tuple[Cell, ...]:
    about = [(n, each.code) for n, each in enumerate(told, 1) if row.name in (each.place.layer, *each.place.layers)]
    return (
        Cell(row.name, node_names(row.onnx), anchor=f"layer-{number}"),
        Cell(keys[row.name]),
        Cell(reads_text(row, keys)),
        Cell("x".join(map(str, row.shape)) or NOTHING),
        Cell(f"{row.neurons:,}"),
        Cell(f"{row.synapses:,}"),
        Cell(f"{row.cores:,}"),
        Cell(", ".join(dict.fromkeys(row.held)) or NOTHING),
        Cell(str(row.depth)),
        Cell(", ".join(map(str, row.delays)) or NOTHING),
        Cell("yes" if row.gated else "no"),
        Cell(_STATUS.get(row.status, row.status), state=state_of(row.status)),
        Cell(" ".join(row.codes) or NOTHING, links=tuple((code, f"finding-{n}") for n, code in about)),
    )


def reads_text(row: LayerRow, keys: Mapping[str, str]) -> str:
    """Letters of the layers that a layer reads; the input by its name."""
    return " ".join(keys.get(source, source) for source in dict.fromkeys(row.sources)) or NOTHING


def _read_layers(rows: tuple[ReadLayer, ...]) -> ReportTable:
    counted = ("parameters", "neurons", "operations")
    columns = (Column("layer"), Column("operator"), Column("shape"), *(Column(c, numeric=True) for c in counted))
    cells = tuple(
        (
            Cell(row.name),
            Cell(row.operator),
            Cell("x".join(map(str, row.shape)) or NOTHING),
            *(Cell(f"{count:,}") for count in (row.parameters, row.neurons, row.macs)),
        )
        for row in rows
    )
    note = (
        "What could be read of the model. A layer takes its neurons where an activation follows; operations are "
        "multiply-accumulates of one sample."
    )
    return ReportTable("Layers", columns, cells, note)


def _numbers(layers: tuple[LayerRow, ...], numbers: tuple[NumbersRow, ...]) -> ReportTable:
    columns = (
        Column("layer"),
        Column("weight bits", numeric=True, folds=True),
        Column("stored weights", numeric=True),
        Column("exponent", numeric=True, folds=True),
        Column("thresholds", numeric=True),
        Column("bits gained", numeric=True, folds=True),
        Column("clipped", numeric=True, folds=True),
        Column("worst rounding", numeric=True, folds=True),
        Column("overflow", folds=True),
        Column("margin", numeric=True, folds=True),
    )
    note = (
        "Stored weights count a shared kernel once, thresholds are distinct ones. Bits are gained by a scale per "
        "channel; the worst rounding of a weight is in thresholds, the margin to an overflow in weight units."
    )
    known = {row.layer: row for row in numbers}
    return ReportTable("Numbers", columns, tuple(_number_cells(row, known.get(row.name)) for row in layers), note)


def _number_cells(row: LayerRow, numbers: NumbersRow | None) -> tuple[Cell, ...]:
    stored = (
        Cell(row.name),
        Cell(str(row.weight_bits)),
        Cell(f"{row.stored_once:,}"),
        Cell(", ".join(map(str, row.exponents)) or NOTHING),
        Cell(str(row.threshold_configurations)),
    )
    if numbers is None:
        return (*stored, *(Cell(NOTHING) for _ in range(5)))
    proven, margin = numbers.overflow.proven, numbers.overflow.margin
    return (
        *stored,
        Cell(format_number(numbers.bits_gained)),
        Cell(f"{numbers.clipped:,}"),
        Cell(f"{numbers.worst_rounding:.3g}"),
        Cell("impossible" if proven else "not excluded", state=GOOD if proven else BAD),
        Cell(NOTHING if margin is None else f"{margin:,.0f}"),
    )
