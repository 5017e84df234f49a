"""The manifest's JSON Schema: the one that ships is the one that the reader checks, and it tells manifests apart."""

import json

import jsonschema
import pytest
from support import manifest_of

from xorexport import schema


@pytest.fixture(scope="module")
def validator():
    shipped = json.loads(schema.PATH.read_bytes())
    jsonschema.Draft202012Validator.check_schema(shipped)
    return jsonschema.Draft202012Validator(shipped)


def test_the_schema_that_ships_is_made_from_the_types():
    assert schema.PATH.read_bytes() == schema.render(), "write it anew with python -m xorexport.schema"


def test_the_manifests_of_real_bundles_follow_the_schema(validator, any_bundle):
    validator.validate(manifest_of(any_bundle))


def test_the_default_manifest_follows_the_schema(validator, xor):
    validator.validate(manifest_of(xor))


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("seal"),
        lambda content: content.pop("golden"),
        lambda content: content.update(surprise=1),
        lambda content: content.update(manifest_version=3),
        lambda content: content["model"].update(parameters="65"),
        lambda content: content["model"]["decisions"].update(y="guess"),
        lambda content: content["artifacts"][0].update(precision="float8"),
        lambda content: content["artifacts"][0]["files"][0].pop("sha256"),
        lambda content: content["artifacts"][0]["files"][0].update(sha256="0" * 63),
        lambda content: content["artifacts"][0].update(path="../elsewhere"),
        lambda content: content["signature"]["inputs"][0].update(shape=["batch", 2]),
        lambda content: content["golden"][0]["batch_sizes"].append(0),
        lambda content: content["golden"][0]["inputs"]["x"].update(values=[None]),
        lambda content: content["tolerances"]["float32"].update(rtol=None),
    ],
)
def test_a_broken_manifest_does_not_follow_the_schema(validator, xor, change):
    content = manifest_of(xor)
    change(content)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(content)
