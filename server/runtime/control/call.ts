import type { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { AppError } from '../../contract/errors.ts'
import { checkValue } from '../../contract/issue-words.ts'
import { problemsOf } from '../../contract/problems.ts'

/** Larger bodies are refused with `ERR_TOO_LARGE`. */
export const MAX_BODY_BYTES = 1024 * 1024

/** One request as a handler sees it. */
export interface Call {
  readonly query: URLSearchParams
  /** The values of `:name` in the call's path, decoded. */
  readonly params: Record<string, string>
  /** The body, checked. Rejects with `ERR_INVALID`, `ERR_MEDIA_TYPE`, `ERR_TOO_LARGE`. */
  body<T>(schema: z.ZodType<T>): Promise<T>
}

export interface Answer {
  status: number
  /** Sent as JSON; absent: no body. */
  body?: unknown
  /** Sent as it is, with this type, instead of `body`. */
  text?: { type: string; content: string }
}

/** Every problem of an input that did not match, or the input as the schema gives it. */
export const parseInput = <T>(schema: z.ZodType<T>, input: unknown, what: string): T => {
  const parsed = checkValue(schema, input)
  if (parsed.success) return parsed.data
  const problems = problemsOf(parsed.error, { max: 100 })
  const first = problems[0]
  throw new AppError(
    'ERR_INVALID',
    `${what} is invalid: ${first?.path ? `${first.path}: ` : ''}${first?.message ?? 'see facts'}`,
    { problems },
  )
}

/** An `ERR_INVALID` about one field. */
export const invalid = (path: string, message: string): AppError =>
  new AppError('ERR_INVALID', `${path} ${message}`, { problems: [{ path, message }] })

/** Throws `ERR_UNSUPPORTED`: this node's configuration names no such part. */
export const without = (node: string, part: 'proxy' | 'push' | 'relay'): never => {
  throw new AppError('ERR_UNSUPPORTED', `Node ${node} has no ${part}`, { node, part })
}

/** A whole number from the query string; `fallback` where it is absent. Throws `ERR_INVALID`. */
export const queryInteger = (query: URLSearchParams, name: string, fallback: number, max: number): number => {
  const text = query.get(name)
  if (text === null) return fallback
  const value = Number(text)
  if (/^\d{1,9}$/.test(text) && value >= 1 && value <= max) return value
  throw invalid(name, `is "${text.slice(0, 40)}"; it must be a whole number from 1 to ${max}`)
}

const readBytes = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_BODY_BYTES) {
      throw new AppError('ERR_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes`, {
        limit: MAX_BODY_BYTES,
      })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Reads a JSON body and checks it. An empty body counts as `{}`. */
export const readBody = async <T>(request: IncomingMessage, schema: z.ZodType<T>): Promise<T> => {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
    throw new AppError('ERR_TOO_LARGE', `The body is larger than ${MAX_BODY_BYTES} bytes`, {
      limit: MAX_BODY_BYTES,
    })
  }
  const bytes = await readBytes(request)
  if (bytes.length === 0) return parseInput(schema, {}, 'The body')
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json') {
    throw new AppError('ERR_MEDIA_TYPE', 'A body needs Content-Type: application/json', {
      contentType: type ?? null,
    })
  }
  let input: unknown
  try {
    input = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    const message = error instanceof Error ? error.message.slice(0, 200) : 'not JSON'
    throw new AppError('ERR_INVALID', `The body is not JSON: ${message}`, {
      problems: [{ path: '', message }],
    })
  }
  return parseInput(schema, input, 'The body')
}
