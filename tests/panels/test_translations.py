"""Each label of the main panels has a translation in every language, and none is left over."""

import ast
import inspect
import re
from string import Formatter

import bpy
import pytest
from maquette import operators, panels
from maquette.core.scene import meshes
from maquette.operators import _translation
from maquette.panels import translations

# Of Training Data and Training, which are English.
ENGLISH = {
    "add_procedural",
    "cameras",
    "dataset",
    "preview_cameras",
    "randomization",
    "render_dataset",
    "train",
    "training",
}
LANGUAGES = sorted(translations.LABELS)
# What is drawn beside the names of classes and properties: in sentence case, as all labels are.
LABEL = re.compile(r"\{\}|(?!MAQUETTE|Maquette[A-Z])[A-Z][A-Za-z]*[a-z]\b")


def modules():
    """The modules of the operators and panels that users of the main panels see."""
    every = (*operators._MODULES, *panels._MODULES)
    return [module for module in every if module.__name__.rpartition(".")[2] not in ENGLISH]


def helpers():
    """Modules of panels that register nothing."""
    from maquette.panels import dependency_notice, progress

    return [dependency_notice, progress]


def named_texts():
    """The names of classes, of properties and of the items of menus."""
    texts = set()
    for module in modules():
        for cls in vars(module).values():
            is_own = isinstance(cls, type) and cls.__module__ == module.__name__
            if is_own and issubclass(cls, bpy.types.bpy_struct) and cls.is_registered:
                texts |= texts_of_class(cls)
    return texts


def texts_of_class(cls):
    rna = cls.bl_rna
    texts = set()
    if issubclass(cls, bpy.types.Operator):
        category, name = cls.bl_idname.split(".")
        rna = getattr(getattr(bpy.ops, category), name).get_rna_type()
    if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
        assert rna.translation_context == _translation.CONTEXT
        texts.add(cls.bl_label)
    for prop in rna.properties:
        if prop.translation_context != _translation.CONTEXT or prop.is_hidden:
            continue
        is_group = prop.type == 'POINTER' and prop.fixed_type.identifier.startswith("Maquette")
        if not is_group and prop.type != 'COLLECTION':
            texts.add(prop.name)
        if prop.type == 'ENUM':
            texts |= {item.name for item in prop.enum_items}
    return texts


def drawn_texts():
    """The literal texts in the source of the panels, and those that operators draw."""
    texts = set()
    for module in (*modules(), *helpers()):
        tree = ast.parse(inspect.getsource(module))
        is_panel = module.__name__.startswith("maquette.panels.")
        skipped = descriptions(tree)
        for node in ast.walk(tree):
            if is_panel and isinstance(node, ast.Constant) and id(node) not in skipped:
                texts.add(node.value)
            elif isinstance(node, ast.keyword) and node.arg == "text":
                texts |= {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
    return {text for text in texts if isinstance(text, str) and LABEL.match(text)}


@pytest.mark.parametrize(
    ("text", "length", "lines"),
    [
        ("Blue: certain. Red: guessed", 15, ["Blue: certain.", "Red: guessed"]),
        ("in /home/a/long/path of", 10, ["in", "/home/a/lo", "ng/path of"]),
        ("青は確実です。赤は推測です。", 14, ["青は確実です。", "赤は推測です。"]),
        ("青は「確実」です", 6, ["青は", "「確", "実」で", "す"]),
        ("需要 PyTorch。请安装", 14, ["需要 PyTorch。", "请安装"]),
        ("(1 GB)。安", 6, ["(1", "GB)。", "安"]),
        ("再" * 12, 11, ["再" * 5, "再" * 5, "再" * 2]),
    ],
)
def test_lines_end_where_a_language_ends_them(text, length, lines):
    from maquette.panels.text import count_columns, wrap_text

    assert wrap_text(text, length, count_columns) == lines


def descriptions(tree):
    """The nodes of docstrings, of tooltips, and of names of icons and the like in a source."""
    skipped = set()
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant() as text):
                skipped.add(id(text))
            case ast.keyword(arg="description"):
                skipped |= {id(part) for part in ast.walk(node)}
            case ast.Tuple(elts=[ast.Constant(), ast.Constant(), ast.Constant() as tooltip]):
                skipped.add(id(tooltip))
            case ast.Call(func=ast.Name(id="file_property" | "folder_property"), args=[_, tooltip]):
                skipped |= {id(part) for part in ast.walk(tooltip)}
    return skipped


def is_label(text):
    """Return whether a text has words; numbers and abbreviations are the same everywhere."""
    return bool(LABEL.match(text)) and text != "Maquette"


def all_texts():
    legends = {*meshes.SINGLE_IMAGE.legend, *meshes.SEVERAL_IMAGES.legend}
    return {text for text in named_texts() | drawn_texts() | legends if is_label(text)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_label_has_a_translation_and_there_are_no_others(addon, language):
    texts = all_texts()
    assert {"Fit to Images", "Front", "From Image", "Mark as Asset", "Print"} <= texts
    labels = translations.LABELS[language]
    assert not sorted(texts - labels.keys()), "without a translation"
    assert not sorted(labels.keys() - texts), "translated, but drawn nowhere"


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_places_of_values_and_the_ends(language):
    for text, label in translations.LABELS[language].items():
        assert label.strip() == label != ""
        fields, own = (
            sorted(field for _, field, _, _ in Formatter().parse(each) if field is not None)
            for each in (text, label)
        )
        assert fields == own, text
        assert text.endswith("...") == label.endswith("..."), text
        if language in {"ja", "zh_HANS"}:
            is_name = text == label
            assert is_name or not label.isascii(), text


def test_no_text_is_left_to_the_dictionary_of_blender(addon):
    """A text of a layout names the context, also where it replaces a name that has one."""
    checked = 0
    for module in (*modules(), *helpers()):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            values = {word.arg: word.value for word in node.keywords}
            is_drawn = node.func.attr in {"label", "progress", "operator", "prop", "prop_enum"}
            if is_drawn and "text" in values and ast.unparse(values["text"]) != "''":
                checked += 1
                is_safe = values.keys() & {"text_ctxt", "translate"}
                assert is_safe, f"{module.__name__}: {ast.unparse(node)}"
    assert checked > 10


def test_properties_of_all_classes_have_the_context(addon):
    """Those of mix-ins, of nested groups and of operators alike."""
    group = bpy.types.Scene.bl_rna.properties["maquette"].fixed_type
    finish = group.properties["finish"].fixed_type
    for rna in (group, finish, bpy.ops.maquette.finish.get_rna_type()):
        ours = [prop for prop in rna.properties if prop.identifier not in {"rna_type", "name"}]
        assert len(ours) > 5
        assert {prop.translation_context for prop in ours} == {_translation.CONTEXT}
