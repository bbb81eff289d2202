"""extract_corpus.py WHEELS SAMPLES CORPUS: the pictures that models are judged on.

Takes the photographs out of the wheels as they are (test patterns, scanned text and a phantom stay behind),
adds four documented crops and turns of them, and copies the project's own samples beside them.
"""

import shutil
import sys
import zipfile
from pathlib import Path

from PIL import Image

PHOTOGRAPHS = {
    "skimage/data/": [
        "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png",
        "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
        "hubble_deep_field.jpg", "ihc.png", "logo.png", "microaneurysms.png", "moon.png",
        "motorcycle_left.png", "motorcycle_right.png", "retina.jpg", "rocket.jpg", "text.png",
    ],
    "sklearn/datasets/images/": ["china.jpg", "flower.jpg"],
}

# Name, picture it comes from, box (left, top, right, bottom) and turn in degrees.
DERIVED = [
    ("astronaut_portrait.jpg", "astronaut.png", (96, 0, 352, 288), 0),
    ("coffee_cup.png", "coffee.png", (130, 40, 470, 370), 0),
    ("flower_turned.jpg", "flower.jpg", (120, 40, 560, 400), 90),
    ("rocket_lying.jpg", "rocket.jpg", (240, 0, 400, 427), 270),
]


def main() -> None:
    wheels, samples, corpus = map(Path, sys.argv[1:])
    # Built aside and moved, so that a corpus is whole or absent.
    fresh = corpus.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            members = set(archive.namelist())
            for folder, names in PHOTOGRAPHS.items():
                for name in names:
                    if folder + name in members:
                        (fresh / name).write_bytes(archive.read(folder + name))
    for name, source, box, turn in DERIVED:
        picture = Image.open(fresh / source).convert("RGB").crop(box).rotate(turn, expand=True)
        picture.save(fresh / name, quality=92)
    own = [p for p in samples.glob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}]
    for picture in own:
        shutil.copyfile(picture, fresh / f"sample_{picture.name}")
    shutil.rmtree(corpus, ignore_errors=True)
    fresh.rename(corpus)
    print(f"{len(list(corpus.iterdir()))} pictures in {corpus}, {len(own)} of them samples")


main()
