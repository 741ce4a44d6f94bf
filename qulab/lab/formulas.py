"""A formula is written once, in LaTeX, and reaches the page as MathML, bare or with measured values in it.

What was converted is kept for the next page, but not where the values are a person's: those stay in no memory.
"""

from functools import lru_cache

from latex2mathml.converter import convert

JOIN = (
    r"\pi_{\text{Assessment.*}}\bigl(\text{Users} \bowtie_{\text{Users.id} \,=\, \text{Assessments.user_id}}"
    r" \text{Assessments}\bigr)"
)
THROUGHPUT = r"\Theta = \frac{\text{number of requests}}{\text{total time}}"
AVAILABLE = r"\frac{N_{\text{avail}}}{N_{\text{max}}}"
LITTLE = r"L = \Theta \times W"
HIT_RATIO = r"H = \frac{\text{hits}}{\text{requests}}"
AVERAGE_TIME = r"T_{\text{avg}} = H \times T_{\text{cache}} + (1 - H) \times (T_{\text{cache}} + T_{\text{database}})"

DIFFERENCE = (
    r"T_{\text{measured}} - T_{\text{avg}} = \frac{\text{fills}}{\text{requests}} \times T_{\text{fill}}"
    r" + \text{rest}"
)
ITEM = r"P(\theta) = c + \frac{1 - c}{1 + e^{-a (\theta - b)}}"
SHRINKAGE = r"\kappa = \frac{1}{\sqrt{\,1 + \pi \, (a \, s_b)^2 / 8}}"
COVERAGE = r"\text{coverage} = \frac{\text{intervals that hold the truth}}{\text{all intervals}}"
RMSE = r"\text{RMSE} = \sqrt{\,\text{mean of } (\hat\theta - \theta)^2}"
SAVING = r"\text{saving} = 1 - \frac{\text{items, adaptive}}{\text{items, at random}}"


@lru_cache(maxsize=512)
def mathml(latex: str, *, block: bool = True) -> str:
    return unkept_mathml(latex, block=block)


def unkept_mathml(latex: str, *, block: bool = True) -> str:
    """For a formula with a person's own values in it."""
    return str(convert(latex, display="block" if block else "inline"))


def throughput(requests: int, seconds: float, rate: float) -> str:
    return rf"\Theta = \frac{{{requests}}}{{{seconds:.3f}\,\text{{s}}}} = {rate:.0f}\ \text{{requests/s}}"


def available(free: int, most: int) -> str:
    return rf"\frac{{N_{{\text{{avail}}}}}}{{N_{{\text{{max}}}}}} = \frac{{{free}}}{{{most}}} = {free / most:.2f}"


def little(rate: float, hold_ms: float) -> str:
    """L = Θ × W with values put in: connections in use on average."""
    value = rate * hold_ms / 1000
    return rf"L = \Theta \times W = {rate:.0f}\,\text{{/s}} \times {hold_ms / 1000:.4f}\,\text{{s}} = {value:.1f}"


def throughput_by_law(busy: int, hold_ms: float, rate: float) -> str:
    """Little's law read backwards: what so many connections give while W stays as it is."""
    bound = r"\frac{\min(N_{\text{max}},\, \text{concurrency})}{W}"
    filled = rf"\frac{{{busy}}}{{{hold_ms / 1000:.4f}\,\text{{s}}}} = {rate:.0f}\,\text{{/s}}"
    return rf"\Theta_{{\text{{line}}}} = {bound} = {filled}"


def hit_ratio(hits: int, requests: int) -> str:
    return rf"H = \frac{{{hits}}}{{{requests}}} = {hits / requests:.3f}"


def average_time(ratio: float, cache_ms: float, load_ms: float) -> tuple[str, float]:
    """The guide's formula with values put in, and what it comes to (milliseconds)."""
    value = average_ms(ratio, cache_ms, load_ms)
    filled = (
        rf"\begin{{array}}{{l}} T_{{\text{{avg}}}} = {ratio:.3f} \times {cache_ms:.2f} + {1 - ratio:.3f} \times"
        rf" ({cache_ms:.2f} + {load_ms:.2f}) \\ \quad = {value:.2f}\ \text{{ms}} \end{{array}}"
    )
    return filled, value


def average_ms(ratio: float, cache_ms: float, load_ms: float) -> float:
    """T_avg of the guide: every request pays for the look into the cache, a miss for the database as well."""
    return ratio * cache_ms + (1 - ratio) * (cache_ms + load_ms)


def shrinkage(slope: float, difficulty_sd: float, kappa: float) -> str:
    filled = rf"\frac{{1}}{{\sqrt{{\,1 + \pi \, ({slope:g} \times {difficulty_sd:g})^2 / 8}}}}"
    return rf"\kappa = {filled} = {kappa:.3f}"


def coverage(held: int, tests: int) -> str:
    return rf"\text{{coverage}} = \frac{{{held}}}{{{tests}}} = {100 * held / tests:.1f}\ \%"


def saving(adaptive: float, at_random: float) -> str:
    share = 100 * (1 - adaptive / at_random)
    return rf"\text{{saving}} = 1 - \frac{{{adaptive:.2f}}}{{{at_random:.2f}}} = {share:.1f}\ \%"


def beside_oracle(ours: float, oracle: float) -> str:
    """RMSE of the adaptive test over that of the test that knows the truth."""
    return (
        rf"\frac{{\text{{RMSE}}_{{\text{{adaptive}}}}}}{{\text{{RMSE}}_{{\text{{oracle}}}}}}"
        rf" = \frac{{{ours:.4f}}}{{{oracle:.4f}}} = {ours / oracle:.3f}"
    )


def difference(mean_ms: float, formula_ms: float, requests: int, fills: int, fill_ms: float) -> tuple[str, float]:
    """Why the measured mean is not T_avg: the fills, shared out over all requests, and the rest (milliseconds)."""
    total = mean_ms - formula_ms
    rest = total - fills / requests * fill_ms
    shared = rf"\frac{{{fills}}}{{{requests}}} \times {fill_ms:.3f} {'-' if rest < 0 else '+'} {abs(rest):.3f}"
    filled = (
        rf"\begin{{array}}{{l}} T_{{\text{{measured}}}} - T_{{\text{{avg}}}} = {mean_ms:.3f} - {formula_ms:.3f} \\"
        rf" \quad = {shared} = {total:.3f}\ \text{{ms}} \end{{array}}"
    )
    return filled, rest
