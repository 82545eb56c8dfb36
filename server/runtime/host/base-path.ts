/** How often a path may be decoded on its way to its reader. */
const MAX_DECODINGS = 3

/**
 * True where a path, put behind a base, may leave that base for some server: by `..`, also in encoded forms, with `\\` for `/`, with
 * parameters (`..;x`), or where repeated slashes count as one. What a server makes of such a path is its own affair; nobody needs one.
 */
export const leavesBase = (path: string): boolean => {
  let seen = path.split('?', 1)[0] ?? ''
  for (let round = 0; round <= MAX_DECODINGS; round += 1) {
    let depth = 0
    for (const part of seen.split(/[/\\]/)) {
      const name = part.split(';', 1)[0]?.trim()
      if (name === '..') depth -= 1
      else if (name !== '' && name !== '.') depth += 1
      if (depth < 0) return true
    }
    const decoded = seen.replace(/%(?:2e|2f|5c|3b|25)/gi, (code) =>
      String.fromCharCode(Number.parseInt(code.slice(1), 16)),
    )
    if (decoded === seen) return false
    seen = decoded
  }
  return true
}
