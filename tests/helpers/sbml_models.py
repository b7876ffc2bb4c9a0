"""SBML models for tests, from formulas as text."""

import libsbml


def sbml(compartments=None, species=None, parameters=None, reactions=None, starts=None, assigned=None, rates=None,
         events=None, functions=None, level=3, version=2, change=None):  # fmt: skip
    """Return the bytes of an SBML model.

    Args:
        compartments: sizes by id, or attributes; one of 1 L, "C", if left out.
        species: initial amounts by id, or attributes.
        parameters: values by id, or attributes.
        reactions: by id, reactants and products (coefficients by species), law, and, if wanted, local values.
        starts, assigned, rates: formulas by symbol.
        events: by id, a table with trigger, set and other words.
        functions: by id, text of a lambda.
        level, version: of SBML.
        change: function that changes the document of libsbml before it is written.
    """
    document = libsbml.SBMLDocument(level, version)
    model = document.createModel()
    model.setId("m")
    for name, given in (compartments or {"C": 1.0}).items():
        element = model.createCompartment()
        given = given if isinstance(given, dict) else {"size": given}
        _fill(element, {"id": name, "constant": True, "spatialDimensions": 3, **given})
    for name, given in (species or {}).items():
        given = given if isinstance(given, dict) else {"initialAmount": given}
        base = {
            "id": name,
            "compartment": "C",
            "hasOnlySubstanceUnits": False,
            "boundaryCondition": False,
            "constant": False,
        }
        _fill(model.createSpecies(), {**base, **given})
    for name, given in (parameters or {}).items():
        given = given if isinstance(given, dict) else {"value": given}
        _fill(model.createParameter(), {"id": name, "constant": True, **given})
    for name, text in (functions or {}).items():
        element = model.createFunctionDefinition()
        element.setId(name)
        element.setMath(maths(text))
    for name, (reactants, products, law, *local) in (reactions or {}).items():
        _reaction(model, name, reactants, products, law, local[0] if local else {})
    for table, create, set_symbol in (
        (starts, model.createInitialAssignment, "setSymbol"),
        (assigned, model.createAssignmentRule, "setVariable"),
        (rates, model.createRateRule, "setVariable"),
    ):
        for name, text in (table or {}).items():
            element = create()
            getattr(element, set_symbol)(name)
            element.setMath(maths(text))
    for name, given in (events or {}).items():
        _event(model, name, **given)
    if change is not None:
        change(document)
    return libsbml.writeSBMLToString(document).encode()


def maths(text):
    found = libsbml.parseL3Formula(text)
    assert found is not None, libsbml.getLastParseL3Error()
    return found


def _fill(element, given):
    for name, value in given.items():
        getattr(element, f"set{name[0].upper()}{name[1:]}")(value)


def _reaction(model, name, reactants, products, law, local):
    element = model.createReaction()
    element.setId(name)
    element.setReversible(False)
    if element.getLevel() == 3 and element.getVersion() == 1:
        element.setFast(False)
    for side, create in ((reactants, element.createReactant), (products, element.createProduct)):
        for species, given in side.items():
            reference = create()
            given = given if isinstance(given, dict) else {"stoichiometry": given}
            _fill(reference, {"species": species, **({"constant": True} if element.getLevel() > 2 else {}), **given})
    if law is not None:
        kinetic = element.createKineticLaw()
        kinetic.setMath(maths(law))
        for one, value in local.items():
            parameter = kinetic.createLocalParameter()
            parameter.setId(one)
            parameter.setValue(value)


def _event(model, name, when, set, priority=None, persistent=True, initially=True, at_trigger=True, delay=None):
    element = model.createEvent()
    element.setId(name)
    element.setUseValuesFromTriggerTime(at_trigger)
    trigger = element.createTrigger()
    trigger.setMath(maths(when))
    trigger.setPersistent(persistent)
    trigger.setInitialValue(initially)
    if priority is not None:
        element.createPriority().setMath(maths(priority))
    if delay is not None:
        element.createDelay().setMath(maths(delay))
    for target, text in set.items():
        assignment = element.createEventAssignment()
        assignment.setVariable(target)
        assignment.setMath(maths(text))
