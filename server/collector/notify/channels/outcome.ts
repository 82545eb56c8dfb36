/** What became of one attempt. */
export type Outcome =
  | { state: 'sent'; answer: string | null }
  | {
      state: 'failed'
      /** One sentence without secrets. */
      error: string
      /** What the receiver said; null where it said nothing. */
      answer: string | null
      /** The same message would be refused again: it is given up, and the next one is tried. */
      isFinal: boolean
      /** The receiver asks to wait so long. */
      retryAfterMs: number | null
    }

/** A text without these secrets. */
export const scrubbed = (text: string, secrets: readonly string[]): string =>
  secrets
    .filter((secret) => secret.length >= 4)
    .sort((a, b) => b.length - a.length)
    .reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), text)

/** What is secret of an address: anybody who knows a webhook's path may post to it. */
export const secretsOfUrl = (url: string): string[] => {
  const { pathname, search, username, password } = new URL(url)
  const plain = [username, password].map((text) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return text
    }
  })
  return [url, `${pathname}${search}`, username, password, ...plain].filter((text) => text.length >= 4)
}
