"""The list of references: labels as the citations in the text have them, links to arXiv."""
from __future__ import annotations

from pybtex.plugin import register_plugin
from pybtex.style.formatting import toplevel
from pybtex.style.formatting.alpha import Style
from pybtex.style.formatting.unsrt import date
from pybtex.style.labels import BaseLabelStyle
from pybtex.style.template import field, href, sentence

NAME = "book"


def authors(entry):
    """The names that a citation gives: one, two, or the first and "et al."."""
    names = [" ".join(part.render_as("text") for part in
                      person.rich_prelast_names + person.rich_last_names)
             for person in entry.persons["author"]]
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


class AuthorYear(BaseLabelStyle):
    """`Li et al., 2020`; two entries with one label are a warning, which fails the build."""

    def format_labels(self, sorted_entries):
        for entry in sorted_entries:
            yield f"{authors(entry)}, {entry.fields['year']}"


class References(Style):
    default_label_style = NAME

    def get_article_template(self, e):
        archive, _, number = e.fields["journal"].partition(":")
        if archive != "arXiv":
            return super().get_article_template(e)
        link = href(f"https://arxiv.org/abs/{number}")[field("journal")]
        return toplevel[self.format_names("author"), self.format_title(e, "title"),
                        sentence[link, date]]


def use(app, config):
    config.bibtex_default_style = NAME


def setup(app):
    register_plugin("pybtex.style.labels", NAME, AuthorYear)
    register_plugin("pybtex.style.formatting", NAME, References)
    app.connect("config-inited", use)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
