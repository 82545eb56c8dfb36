import { AppError } from './errors.ts'

const invalid = () =>
  new AppError('ERR_INVALID', 'cursor is not one that this list gave out', {
    problems: [{ path: 'cursor', message: 'must be a nextCursor of the same list' }],
  })

/** Where a page ended: the sort key and the id of its last row. */
export interface Position {
  at: number
  id: string | number
}

/** Opaque to callers; `list` keeps a cursor of one list from being used on another. */
export const encodeCursor = (list: string, position: Position): string =>
  toBase64Url(JSON.stringify([list, position.at, position.id]))

/** Throws `ERR_INVALID` for anything that `encodeCursor` of this list did not make. */
export const decodeCursor = (
  list: string,
  cursor: string | undefined,
  id: 'string' | 'number',
): Position | null => {
  if (cursor === undefined) return null
  if (cursor.length > 500 || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw invalid()
  let parsed: unknown
  try {
    parsed = JSON.parse(fromBase64Url(cursor))
  } catch {
    throw invalid()
  }
  if (!Array.isArray(parsed) || parsed.length !== 3 || parsed[0] !== list) throw invalid()
  if (!Number.isSafeInteger(parsed[1]) || typeof parsed[2] !== id) throw invalid()
  if (id === 'number' && !Number.isSafeInteger(parsed[2])) throw invalid()
  return { at: parsed[1] as number, id: parsed[2] as string | number }
}

/** A page's size: default 100, at most 1 000. */
export const pageSize = (limit: number | undefined): number =>
  Math.min(Math.max(Math.trunc(limit ?? 100), 1), 1_000)

/** Cuts a list that was read with one row too many into a page. */
export const toPage = <Row, Item>(
  list: string,
  rows: Row[],
  size: number,
  position: (row: Row) => Position,
  /** Null for a row that cannot be read: it is left out, and the page goes on behind it. */
  item: (row: Row) => Item | null,
): { items: Item[]; nextCursor: string | null } => {
  const shown = rows.slice(0, size)
  const last = shown.at(-1)
  return {
    items: shown.map(item).filter((each) => each !== null),
    nextCursor: rows.length > size && last !== undefined ? encodeCursor(list, position(last)) : null,
  }
}

/** By the web's own means, because this folder is shared with the browser. */
const toBase64Url = (text: string): string =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

const fromBase64Url = (text: string): string =>
  new TextDecoder().decode(
    Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0)),
  )
