/** What a screen reader is to say next; `App` holds the live region. */

class Announcer {
  text = $state("");

  say(text: string): void {
    // The same sentence twice is said twice.
    this.text = text === this.text ? `${text}\u00a0` : text;
  }
}

export const announcer = new Announcer();
