/** How long results are kept, as the server says it. */

interface Health {
  results?: { keep?: string; keep_at_least_hours?: number };
}

/** A sentence for the page's foot; empty when the server does not say. */
export async function kept(): Promise<string> {
  try {
    const response = await fetch("/api/v1/health/detailed");
    const health = (await response.json()) as Health;
    return words(health.results?.keep, health.results?.keep_at_least_hours);
  } catch {
    return "";
  }
}

/** `keep` is `auto` or a number of hours. */
export function words(keep: string | undefined, atLeast = 24): string {
  if (!keep) return "";
  if (keep === "auto") {
    return `Results are kept until the server's disk runs low, and for ${atLeast} hours at least.`;
  }
  return `Results are kept for ${keep} hours.`;
}
