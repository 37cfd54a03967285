"""The figures, one file a family, as Plotly graph objects that the page draws when seen."""
