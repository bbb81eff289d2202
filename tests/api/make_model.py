"""Makes a model with a client that was generated from the description.

Called with the folder of the generated package, the server's address and a picture; prints the model's format and size.
"""

import sys
import time
from pathlib import Path

ENDS = ("completed", "failed", "cancelled")


def main(package: str, address: str, picture: str) -> None:
    sys.path.insert(0, package)
    from image_2_model_client import Client
    from image_2_model_client.api.jobs import get_job
    from image_2_model_client.api.upload import upload
    from image_2_model_client.models import Accepted, UploadBody
    from image_2_model_client.types import File

    client = Client(base_url=address, raise_on_unexpected_status=True)
    with open(picture, "rb") as content:
        file = File(payload=content, file_name=Path(picture).name, mime_type="image/png")
        accepted = upload.sync(client=client, body=UploadBody(files=[file], face_limit=500))
    if not isinstance(accepted, Accepted):
        sys.exit(str(accepted))
    deadline = time.monotonic() + 60
    while (job := get_job.sync(accepted.job_id, client=client)).status.value not in ENDS:
        if time.monotonic() > deadline:
            sys.exit(f"the job is still {job.status}")
        time.sleep(0.05)
    model = job.items[0].files[0]
    answer = client.get_httpx_client().get(model.url)
    answer.raise_for_status()
    if len(answer.content) != model.size:
        sys.exit(f"{len(answer.content)} bytes came instead of {model.size}")
    print(model.format_, model.size)


if __name__ == "__main__":
    main(*sys.argv[1:])
