"""Judges an OpenAPI document: whether it is valid, and whether each example is of its schema.

Called with the document's address; prints what is wrong, a line each.
"""

import json
import sys
from urllib.request import urlopen

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator


def main() -> None:
    with urlopen(sys.argv[1]) as answer:
        document = json.load(answer)
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        print(f"{'/'.join(map(str, error.absolute_path))}: {error.message}")
    examples = 0
    for place, media_type in media_types(document):
        if "example" not in media_type:
            continue
        examples += 1
        # The components stand beside the schema, where its references look for them.
        schema = {**media_type["schema"], "components": document["components"]}
        judge = Draft202012Validator(schema, format_checker=FormatChecker())
        for error in judge.iter_errors(media_type["example"]):
            print(f"the example of {place}: {error.json_path}: {error.message}")
    if examples < 50:
        print(f"there are only {examples} examples")


def media_types(document: dict):
    """Each media type of each body and answer, and where it stands."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            bodies = {"body": operation.get("requestBody", {}), **operation["responses"]}
            for name, body in bodies.items():
                for kind, media_type in body.get("content", {}).items():
                    yield f"{method.upper()} {path} {name} {kind}", media_type


if __name__ == "__main__":
    main()
