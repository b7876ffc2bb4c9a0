def sbml_text(file): raise NotImplementedError
