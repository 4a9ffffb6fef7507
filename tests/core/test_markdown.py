from maquette.core.markdown import anchor, to_html


def html_of(text):
    return to_html(text, lambda target: f"at/{target}")


def test_headings_are_reached_by_links():
    assert html_of("## Folder of Images") == '<h2 id="folder-of-images">Folder of Images</h2>'
    assert anchor("What's new, in 0.2?") == "whats-new-in-02"


def test_lines_of_a_paragraph_belong_together():
    assert html_of("One\ntwo.\n\nThree.") == "<p>One two.</p>\n<p>Three.</p>"


def test_lists_may_hold_lists_and_lines():
    text = "- one\n  more\n- two\n  - inner\n- three\n\n1. first"
    inner = "<ul><li>inner</li></ul>"
    expected = f"<ul><li>one more</li><li>two{inner}</li><li>three</li></ul>"
    assert html_of(text) == f"{expected}\n<ol><li>first</li></ol>"


def test_a_table():
    text = "| a | b |\n|---|---|\n| `x\\|y` | 1 < 2 |"
    rows = "<tr><th>a</th><th>b</th></tr>\n<tr><td><code>x|y</code></td><td>1 &lt; 2</td></tr>"
    assert html_of(text) == f"<table>\n{rows}\n</table>"


def test_nothing_in_code_has_a_meaning():
    assert html_of("```\n<a> **b**\n```") == "<pre>&lt;a&gt; **b**</pre>"
    assert html_of("**`a*b` c**") == "<p><b><code>a*b</code> c</b></p>"


def test_links_and_images_are_located():
    assert html_of("[a](b.md) ![c](d.png)") == (
        '<p><a href="at/b.md">a</a> <img alt="c" src="at/d.png"></p>'
    )
