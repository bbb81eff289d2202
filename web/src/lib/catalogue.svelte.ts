/** What the server can make, for the parts of the page that stand far from the form. */

import type { ModelInfo } from "./types";

class Catalogue {
  models = $state.raw<ModelInfo[]>([]);

  /** The formats of a model; those of the default one for a model that is gone. */
  formatsOf(model: string): string[] {
    const info = this.models.find(({ name }) => name === model) ?? this.models[0];
    return info?.supported_formats ?? [];
  }
}

export const catalogue = new Catalogue();
