/** The project's own sample pictures, for whoever has none at hand. */

export interface Sample {
  name: string;
  url: string;
  /** The model that suits it best. */
  model: string;
}

const SUITS: Record<string, string> = { logo: "extrude", landscape: "relief" };

const found = import.meta.glob<string>("../../../samples/*.{jpg,png}", {
  query: "?url",
  import: "default",
  eager: true,
});

export const samples: Sample[] = Object.entries(found).map(([path, url]) => {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return { name, url, model: SUITS[name.replace(/\.\w+$/, "")] ?? "inflate" };
});
