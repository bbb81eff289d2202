"""What schemathesis invents and no form can say."""

import schemathesis


@schemathesis.hook
def filter_body(context, body):
    """A form's fields are text: null would be the four letters, which are a label as good as any, and an empty list is
    no field at all. Neither is the wrong value that it was meant to be."""
    is_form = isinstance(body, dict) and any(
        media_type.startswith("multipart/")
        for media_type in context.operation.get_request_payload_content_types()
    )
    return not is_form or all(value is not None and value != [] for value in body.values())
