import type { z } from 'zod'
import { checkMediaType } from '../auth/request.ts'
import { decodeCursor, encodeCursor } from '../contract/cursor.ts'
import { AppError, type Page, type Problem, plainLine } from '../contract/index.ts'
import { checkValue } from '../contract/issue-words.ts'
import { problemsOf } from '../contract/problems.ts'
import type { ApiContext } from './context.ts'

/** Largest body in bytes, from callers who have shown who they are. */
const maxBodyBytes = 1024 * 1024
/** From strangers: thousands of them may each send a body drop by drop. */
const maxStrangerBytes = 16 * 1024

const invalid = (what: string, problems: Problem[]): AppError =>
  new AppError(
    'ERR_INVALID',
    `${what} is invalid: ${problems.map(({ path, message }) => (path === '' ? message : `${path} ${message}`)).join('; ')}`,
    {
      problems,
    },
  )

/** Throws `ERR_INVALID` with every problem at once. */
const check = <T extends z.ZodType>(what: string, schema: T, value: unknown): z.output<T> => {
  const parsed = checkValue(schema, value)
  if (!parsed.success) throw invalid(what, problemsOf(parsed.error, { schema, value }))
  return parsed.data
}

const tooLarge = (limit: number) =>
  new AppError('ERR_TOO_LARGE', `The body is larger than ${limit} bytes`, { limit })

const readText = async (context: ApiContext, limit: number): Promise<string> => {
  if (Number(context.req.header('content-length') ?? 0) > limit) throw tooLarge(limit)
  const body = context.req.raw.body
  if (body === null) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge(limit)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * The body, checked. No body counts as `{}`, so that an action without fields needs none. Throws `ERR_MEDIA_TYPE`,
 * `ERR_TOO_LARGE`, `ERR_INVALID`.
 */
export const readBody = async <T extends z.ZodType>(
  context: ApiContext,
  schema: T,
  isStranger: boolean,
): Promise<z.output<T>> => {
  checkMediaType({ method: context.req.method, headers: context.req.raw.headers, address: null })
  const text = await readText(context, isStranger ? maxStrangerBytes : maxBodyBytes)
  let value: unknown = {}
  if (text.trim() !== '') {
    try {
      value = JSON.parse(text)
    } catch {
      throw invalid('The body', [{ path: '', message: 'must be JSON' }])
    }
  }
  return check('The body', schema, value)
}

/** The query, checked. Unknown parameters are mistakes too. */
export const readQuery = <T extends z.ZodType>(context: ApiContext, schema: T): z.output<T> =>
  check('The query', schema, context.req.query())

/** Leaves out what was not given: the store's filters tell absent from undefined. */
export const given = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

/** A moment of the query as the store takes it. */
export const isoOf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString()

/** A page of a list that is held in memory, in the order of its keys. */
export const pageOf = <T>(
  list: string,
  items: readonly T[],
  keyOf: (item: T) => string,
  query: { limit?: number | undefined; cursor?: string | undefined },
): Page<T> => {
  const after = decodeCursor(list, query.cursor, 'string')
  const size = query.limit ?? 100
  const sorted = [...items].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  const rest = after === null ? sorted : sorted.filter((item) => keyOf(item) > String(after.id))
  const shown = rest.slice(0, size)
  const last = shown.at(-1)
  return {
    items: shown,
    nextCursor:
      rest.length > size && last !== undefined ? encodeCursor(list, { at: 0, id: keyOf(last) }) : null,
  }
}

/** The error for an unknown id. */
export const noSuch = (what: string, id: string): AppError => {
  const plain = plainLine(id).slice(0, 100)
  return new AppError('ERR_NOT_FOUND', `There is no ${what} ${plain}`, { id: plain })
}
