/** The key of a server that asks for one: kept in this browser and shown with every request. */

const NAME = "image2model.key";

class Access {
  /** Empty while there is none. */
  key = $state(read());
  /** Why the page has to ask for a key, in words; empty while it need not. */
  asks = $state("");

  /** What a request carries. */
  headers(key = this.key): Record<string, string> {
    return { Accept: "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  }

  /** Hears of every refusal, and knows those that another key would end. */
  hear(status: number, details: unknown): void {
    const code = (details as { code?: unknown } | null)?.code;
    if (status === 403 && code === "key_refused") this.asks = "The server does not accept this key, or not any more.";
    else if (status === 401) this.asks = "This server answers to those who have a key.";
  }

  take(key: string): void {
    this.key = key.trim();
    this.asks = "";
    write(this.key);
  }

  forget(): void {
    this.take("");
  }
}

function read(): string {
  try {
    return localStorage.getItem(NAME) ?? "";
  } catch {
    return "";
  }
}

function write(key: string): void {
  try {
    if (key) localStorage.setItem(NAME, key);
    else localStorage.removeItem(NAME);
  } catch {
    // Storage is switched off: the key lasts as long as the page.
  }
}

export const access = new Access();
