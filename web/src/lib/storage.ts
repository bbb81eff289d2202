/** The jobs that this browser has submitted, newest first: ids and small pictures, in `localStorage`. */

export interface Entry {
  id: string;
  /** A small data URL per item, or `null` where the browser could not read the picture. */
  pictures: (string | null)[];
}

const KEY = "image2model.jobs";
const MOST = 100;
/** Only this many keep their pictures; `localStorage` holds 5 MB. */
const WITH_PICTURES = 20;

export function load(): Entry[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(stored) ? stored.filter(isEntry) : [];
  } catch {
    return [];
  }
}

export function save(entries: Entry[]): void {
  const kept = entries
    .slice(0, MOST)
    .map(({ id, pictures }, index) => ({ id, pictures: index < WITH_PICTURES ? pictures : [] }));
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    saveWithoutPictures(kept);
  }
}

function saveWithoutPictures(entries: Entry[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries.map(({ id }) => ({ id, pictures: [] }))));
  } catch {
    // Storage is switched off: the list lasts as long as the page.
  }
}

function isEntry(value: unknown): value is Entry {
  if (!value || typeof value !== "object") return false;
  const { id, pictures } = value as Partial<Entry>;
  return typeof id === "string" && /^[0-9a-f-]{36}$/.test(id) && Array.isArray(pictures);
}
