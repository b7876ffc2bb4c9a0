"""citation: the papers and programs that a result rests on, to be cited with it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from graycell.views import Tabled


@dataclass(frozen=True)
class Work:
    """A paper or a program.

    Attributes:
        key: short, for BibTeX.
        authors: family name and initials, such as "Nolan, R. P.".
        year: of publication.
        title: of the work.
        where: journal, volume and pages, or what takes their place.
        doi: or an address at arXiv; "" if there is none.
        used_for: what of it the result uses.
    """

    key: str
    authors: tuple[str, ...]
    year: int
    title: str
    where: str
    doi: str
    used_for: str

    def __str__(self) -> str:
        authors = ", ".join(self.authors) + (" " if self.authors else "")
        link = "" if not self.doi else f" {self.doi}" if ":" in self.doi else f" doi:{self.doi}"
        return f"{authors}({self.year}). {self.title}. {self.where}.{link} [{self.used_for}]"


@dataclass(frozen=True)
class Citations(Tabled):
    """What a result rests on.

    Attributes:
        works: papers and programs.
        named: sources that the model itself names, as they are written there.
    """

    works: tuple[Work, ...]
    named: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Work]:
        return iter(self.works)

    def __len__(self) -> int:
        return len(self.works)

    def __str__(self) -> str:
        named = ["The model and its parameters name as sources:", *(f"- {one}" for one in self.named)]
        return "\n".join([*(f"- {work}" for work in self.works), *(named if self.named else [])])

    def bibtex(self) -> str:
        """Return the works for BibTeX; what the model names itself follows as comments.

        Returns:
            An entry for each work.
        """
        entries = []
        for work in self.works:
            fields = {"author": " and ".join(work.authors), "title": "{" + work.title + "}", "year": str(work.year),
                      "howpublished": work.where, "doi" if ":" not in work.doi else "note": work.doi}  # fmt: skip
            lines = [f"  {name} = {{{_escaped(text)}}}," for name, text in fields.items() if text]
            entries.append("\n".join([f"@misc{{{work.key},", *lines, "}"]))
        named = [f"% source of the model: {' '.join(one.split())}" for one in self.named]
        return "\n\n".join([*entries, *named]) + "\n"


def _escaped(text: str) -> str:
    return re.sub(r"([&%#_])", r"\\\1", text)


def citation(*results: Any) -> Citations:
    """Return what results rest on.

    Args:
        *results: models, and what holds one or its fit: trajectories, fits, posteriors, ensembles, predictions of a
            fit, running cultures; and profiles and next runs, which hold neither: give what they were made with too.
            Without any, it is graycell alone.

    Returns:
        The works, graycell first, each once.

    Raises:
        TypeError: for anything else: an answer would leave out what it rests on.
    """
    keys, named = ["graycell", "cui2024", "jax2018"], dict[str, None]()
    for result in results:
        own = _BY_RESULT.get(type(result).__name__, ())
        keys += own
        fit = getattr(result, "fit", result)
        keys += _BY_RESULT["Fit"] if type(fit).__name__ == "Fit" else ()
        model = result if type(result).__name__ == "CultureModel" else getattr(fit, "model", None)
        if type(model).__name__ == "CultureModel":
            keys += _of_model(model)
            named |= dict.fromkeys(_sources_of(model))
        elif not own:
            raise TypeError(f"of a {type(result).__name__} it is not known on what it rests; give its fit or its model")
        if any("Gaussian process" in name for name in getattr(result, "candidates", ()) if isinstance(name, str)):
            keys.append("rasmussen2006")
    return Citations(tuple(_WORKS[key] for key in dict.fromkeys(keys)), tuple(named))


def _of_model(model: Any) -> list[str]:
    """Return the keys of what a model rests on: its parts, and how it is solved by default."""
    keys = ["kidger2021", "tsitouras2011"]
    if model.projection is not None:
        keys += ["goldfarb1983", "segre2002"]
    if model.nets:
        keys += ["dattner2015", "kingma2015"]
    return keys + (["nolan2011"] if any("Nolan & Lee" in one for one in _sources_of(model)) else [])


def _sources_of(model: Any) -> list[str]:
    """Return the sources that a model of the library and the parameters of a model name."""
    from graycell.models.library import library_files, model_file

    of_file = [model_file(model.name).source] if model.name in library_files() else []
    return [one for one in dict.fromkeys([*of_file, *(each.source for each in model.table)]) if one]


_BY_RESULT = {
    "Fit": ("levenberg1944", "marquardt1963"),
    "PosteriorSample": ("hoffman2014", "phan2019", "vehtari2021"),
    "Ensemble": ("bardsley2014",),
    "Profile": ("raue2009",),
    "NextRun": ("barber2021",),
}
"""What the ways to a result rest on, by the name of its class."""

_WORKS = {work.key: work for work in (
    Work("graycell", ("The graycell developers",), 2026, "graycell: hybrid modelling of CHO fed-batch bioreactors",
         f"Version {metadata.version('graycell')}", "", "everything here"),
    Work("cui2024", ("Cui, T.", "Bertalan, T. S.", "Ndahiro, N.", "Khare, P.", "Betenbaugh, M.", "Maranas, C.",
                     "Kevrekidis, I. G."), 2024,
         "Data-driven and physics informed modelling of Chinese hamster ovary cell bioreactors",
         "Computers & Chemical Engineering 183, 108594", "10.1016/j.compchemeng.2024.108594",
         "the flux projection within the balances of a reactor, and learning around it"),
    Work("nolan2011", ("Nolan, R. P.", "Lee, K."), 2011, "Dynamic model of CHO cell metabolism",
         "Metabolic Engineering 13, 108-124", "", "network, rate laws and their values"),
    Work("segre2002", ("Segre, D.", "Vitkup, D.", "Church, G. M."), 2002,
         "Analysis of optimality in natural and perturbed metabolic networks", "PNAS 99, 15112-15117",
         "10.1073/pnas.232349399", "fluxes nearest to given ones"),
    Work("goldfarb1983", ("Goldfarb, D.", "Idnani, A."), 1983,
         "A numerically stable dual method for solving strictly convex quadratic programs",
         "Mathematical Programming 27, 1-33", "10.1007/BF02591962", "the solution of the flux projection"),
    Work("tsitouras2011", ("Tsitouras, C.",), 2011,
         "Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption",
         "Computers & Mathematics with Applications 62, 770-775", "10.1016/j.camwa.2011.06.002",
         "the steps of the differential equations, by default"),
    Work("kidger2021", ("Kidger, P.",), 2021, "On neural differential equations", "University of Oxford",
         "arXiv:2202.02435", "diffrax: tables of methods, and implicit methods"),
    Work("jax2018", ("Bradbury, J.", "Frostig, R.", "Hawkins, P.", "Johnson, M. J.", "Leary, C.", "Maclaurin, D.",
                     "Necula, G.", "Paszke, A.", "VanderPlas, J.", "Wanderman-Milne, S.", "Zhang, Q."), 2018,
         "JAX: composable transformations of Python+NumPy programs", "github.com/jax-ml/jax", "",
         "derivatives and compiling"),
    Work("levenberg1944", ("Levenberg, K.",), 1944,
         "A method for the solution of certain non-linear problems in least squares",
         "Quarterly of Applied Mathematics 2, 164-168", "10.1090/qam/10666", "the fit of parameters"),
    Work("marquardt1963", ("Marquardt, D. W.",), 1963,
         "An algorithm for least-squares estimation of nonlinear parameters",
         "Journal of the Society for Industrial and Applied Mathematics 11, 431-441", "10.1137/0111030",
         "the fit of parameters"),
    Work("dattner2015", ("Dattner, I.", "Klaassen, C. A. J."), 2015,
         "Optimal rate of direct estimators in systems of ordinary differential equations linear in functions of the "
         "parameters", "Electronic Journal of Statistics 9, 1939-1973", "10.1214/15-EJS1053",
         "integral matching, where learned rates begin"),
    Work("kingma2015", ("Kingma, D. P.", "Ba, J."), 2015, "Adam: a method for stochastic optimization", "ICLR",
         "arXiv:1412.6980", "integral matching, where learned rates begin"),
    Work("hoffman2014", ("Hoffman, M. D.", "Gelman, A."), 2014,
         "The No-U-Turn sampler: adaptively setting path lengths in Hamiltonian Monte Carlo",
         "Journal of Machine Learning Research 15, 1593-1623", "", "draws from the posterior"),
    Work("phan2019", ("Phan, D.", "Pradhan, N.", "Jankowiak, M."), 2019,
         "Composable effects for flexible and accelerated probabilistic programming in NumPyro", "arXiv",
         "arXiv:1912.11554", "draws from the posterior"),
    Work("vehtari2021", ("Vehtari, A.", "Gelman, A.", "Simpson, D.", "Carpenter, B.", "Buerkner, P.-C."), 2021,
         "Rank-normalization, folding, and localization: an improved R-hat for assessing convergence of MCMC",
         "Bayesian Analysis 16, 667-718", "10.1214/20-BA1221", "R-hat and effective numbers of draws"),
    Work("bardsley2014", ("Bardsley, J. M.", "Solonen, A.", "Haario, H.", "Laine, M."), 2014,
         "Randomize-then-optimize: a method for sampling from posterior distributions in nonlinear inverse problems",
         "SIAM Journal on Scientific Computing 36, A1895-A1910", "10.1137/140964023", "members of the ensemble"),
    Work("raue2009", ("Raue, A.", "Kreutz, C.", "Maiwald, T.", "Bachmann, J.", "Schilling, M.", "Klingmueller, U.",
                      "Timmer, J."), 2009,
         "Structural and practical identifiability analysis of partially observed dynamical models by exploiting the "
         "profile likelihood", "Bioinformatics 25, 1923-1929", "10.1093/bioinformatics/btp358", "profile likelihoods"),
    Work("barber2021", ("Barber, R. F.", "Candes, E. J.", "Ramdas, A.", "Tibshirani, R. J."), 2021,
         "Predictive inference with the jackknife+", "The Annals of Statistics 49, 486-507", "10.1214/20-AOS1965",
         "the band of a whole run"),
    Work("rasmussen2006", ("Rasmussen, C. E.", "Williams, C. K. I."), 2006, "Gaussian processes for machine learning",
         "MIT Press", "", "the Gaussian process among the candidates"),
)}  # fmt: skip
