import pytest

from qulab.db.probe import Statement
from qulab.lab import charts, sources
from qulab.lab.experiments.pool import InUse, thinned
from qulab.lab.measure import quantile, spread
from qulab.lab.sources import SourceMissing, source


class TestStatistics:
    def test_spread_is_a_median_with_its_range(self) -> None:
        assert spread([3.0, 1.0, 2.0]).median == 2.0
        assert (spread([3.0, 1.0]).low, spread([3.0, 1.0]).high) == (1.0, 3.0)

    def test_quantiles_interpolate(self) -> None:
        assert quantile([float(i) for i in range(101)], 0.95) == pytest.approx(95.0)
        assert quantile([7.0], 0.95) == 7.0
        assert quantile([], 0.5) == 0.0


class TestCharts:
    def test_thinning_keeps_the_peak(self) -> None:
        samples = [InUse(float(i), 30 if i == 501 else 1) for i in range(2000)]

        assert len(thinned(samples)) <= 240
        assert max(sample.checked_out for sample in thinned(samples)) == 30

    def test_a_waterfall_spans_from_zero_to_a_hundred(self) -> None:
        bars = charts.waterfall([Statement("SELECT 1", 5, 5), Statement("SELECT 2", 20, 5)])

        assert bars[0].x == 0
        assert bars[1].x + bars[1].width == pytest.approx(100)

    def test_a_long_statement_is_abbreviated_to_what_it_asks_of_whom(self) -> None:
        columns = ", ".join(f"users.column_{i}" for i in range(20))

        assert charts.abbreviated(f"SELECT {columns} \nFROM users \nWHERE users.id = ?") == (
            "SELECT … FROM users WHERE users.id = ?"
        )

    def test_neighbours_of_one_kind_make_one_stripe(self) -> None:
        stripes = charts.stripes(["miss", "hit", "hit", "bypass", "stale hit"])

        assert [(one.x, one.width, one.kind) for one in stripes] == [
            (0, 1, "miss"),
            (1, 2, "hit"),
            (3, 1, "bypass"),
            (4, 1, "stale"),
        ]


class TestSources:
    def test_cuts_a_method_out_of_its_file(self) -> None:
        found = source("accounts/repositories.py", "UserRepository.get_by_email")

        assert found.html.startswith('<i class="k">async</i> <i class="k">def</i>')
        assert "get_by_email" in found.html
        assert "UserRepository" not in found.html

    def test_a_name_that_is_gone_is_an_error(self) -> None:
        with pytest.raises(SourceMissing, match="no_such_thing"):
            source("accounts/repositories.py", "no_such_thing")

    def test_sql_is_escaped(self) -> None:
        assert "<b>" not in sources.sql("SELECT '<b>'")
