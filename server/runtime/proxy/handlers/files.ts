import { constants } from 'node:fs'
import { type FileHandle, open, readlink, realpath } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import type { ActionOf } from '../../../contract/route-action.ts'
import type { ClientSide, Exchange, RouteHandler } from '../http/exchange.ts'
import { answerHead, type RequestHead } from '../http/head.ts'
import { plainPath } from '../patterns/plain-path.ts'
import { answerText, fieldsOf } from './own-answer.ts'
import { isRead, notReadable } from './static-text.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
}
const CHUNK_BYTES = 64 * 1024
const INDEX = 'index.html'

/** A file that may be shown. */
interface Shown {
  readonly file: FileHandle
  readonly path: string
  readonly size: number
  readonly modified: Date
}

/** A regular file, opened without waiting for whoever writes to a pipe; null where there is none. */
const openFile = async (path: string): Promise<Shown | null> => {
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return null
  }
  const found = await file.stat().catch(() => null)
  if (found?.isFile()) return { file, path, size: found.size, modified: found.mtime }
  await file.close()
  return null
}

/** Where an open file really is: what was opened is asked, so that nobody can exchange it between question and use. */
const placeOf = async ({ file, path }: Shown): Promise<string> =>
  await readlink(`/proc/self/fd/${file.fd}`).catch(async () => await realpath(path))

/** What is looked up under a root: names alone, none of which leads elsewhere or is hidden. Null where one does. */
const namesIn = (path: string): string[] | null => {
  const names: string[] = []
  for (const part of path.split('/')) {
    if (part === '') continue
    let name: string
    try {
      name = decodeURIComponent(part)
    } catch {
      return null
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    if (/[/\\\x00-\x1f\x7f]/.test(name)) return null
    if (name.startsWith('.') && name !== '.well-known') return null
    names.push(name)
  }
  return names
}

type Find = (request: RequestHead) => Promise<Shown | null>

/** Answers each request with the same file, as it is then. */
export class FileAnswer implements RouteHandler {
  readonly #action: ActionOf<'static'>
  readonly #file: string

  constructor(action: ActionOf<'static'>, file: string) {
    this.#action = action
    this.#file = file
  }

  handle(request: RequestHead, client: ClientSide): Exchange {
    if (!isRead(request)) return notReadable(client)
    return new Sending(this.#action, request, client).start(() => openFile(this.#file))
  }
}

/** Answers requests with files below a folder, and with nothing outside of it: neither by `..` nor by a link. */
export class Folder implements RouteHandler {
  readonly #action: ActionOf<'static'>
  readonly #root: string
  /** What of a path comes before what is looked up. */
  readonly #prefix: string

  constructor(action: ActionOf<'static'>, root: string, path = '') {
    this.#action = action
    this.#root = root
    this.#prefix = /^[^*:]*\*$/.test(path) ? path.slice(0, -1) : ''
  }

  handle(request: RequestHead, client: ClientSide): Exchange {
    if (!isRead(request)) return notReadable(client)
    return new Sending(this.#action, request, client).start(this.#find)
  }

  readonly #find: Find = async ({ target }) => {
    const path = plainPath(target).slice(this.#prefix.length)
    const names = namesIn(path)
    if (!names) return null
    const isFolder = path === '' || path.endsWith('/')
    const root = await realpath(this.#root).catch(() => null)
    if (root === null) return null
    const shown = await openFile(join(root, ...names, ...(isFolder ? [INDEX] : [])))
    if (!shown) return null
    const place = await placeOf(shown).catch(() => '')
    if (place.startsWith(root === sep ? root : root + sep)) return shown
    await shown.file.close()
    return null
  }
}

/** One file on its way to one client, no more of it in memory than the client is about to take. */
class Sending implements Exchange {
  readonly dialling = false
  readonly heldBytes = 0
  readonly #action: ActionOf<'static'>
  readonly #request: RequestHead
  readonly #client: ClientSide
  #over = false
  #goOn: (() => void) | null = null

  constructor(action: ActionOf<'static'>, request: RequestHead, client: ClientSide) {
    this.#action = action
    this.#request = request
    this.#client = client
  }

  start(find: Find): this {
    void this.#send(find).catch(() => this.#client.reset('internal_error'))
    return this
  }

  async #send(find: Find): Promise<void> {
    const shown = await find(this.#request)
    try {
      if (this.#over) return
      if (shown) await this.#sendFile(shown)
      else answerText(this.#client, 404, 'There is no such file')
    } finally {
      await shown?.file.close()
    }
  }

  async #sendFile(shown: Shown): Promise<void> {
    const { size, modified, path } = shown
    const { status = 200, headers } = this.#action
    const tag = `"${size.toString(36)}-${modified.getTime().toString(36)}"`
    const own = new Set(Object.keys(headers ?? {}).map((name) => name.toLowerCase()))
    const fields = fieldsOf(headers)
    const add = (name: string, value: string): void => {
      if (!own.has(name.toLowerCase())) fields.push(name, value)
    }
    add('ETag', tag)
    add('Last-Modified', modified.toUTCString())
    if (status === 200 && this.#isKnown(tag)) {
      this.#client.respond({
        ...answerHead(304, fields),
        fields: [...fields, 'Date', new Date().toUTCString()],
      })
      this.#client.end()
      return
    }
    add('Content-Type', TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream')
    // What a folder of somebody's files holds is not for browsers to guess.
    add('X-Content-Type-Options', 'nosniff')
    this.#client.respond(answerHead(status, fields, size))
    if (this.#request.method !== 'HEAD') await this.#sendContent(shown)
    if (!this.#over) this.#client.end()
  }

  async #sendContent({ file, size }: Shown): Promise<void> {
    for (let sent = 0; sent < size && !this.#over; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size - sent))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, sent)
      if (this.#over) return
      if (bytesRead === 0) {
        // It was made shorter meanwhile: what was announced cannot be kept.
        this.#over = true
        this.#client.reset('target_incomplete')
        return
      }
      sent += bytesRead
      const flushed = this.#client.body(chunk.subarray(0, bytesRead))
      if (!flushed && sent < size)
        await new Promise<void>((resolve) => {
          this.#goOn = resolve
        })
    }
  }

  /** RFC 9110 §13.1.2 */
  #isKnown(tag: string): boolean {
    const { fields } = this.#request
    for (let at = 0; at < fields.length; at += 2) {
      if (fields[at]!.toLowerCase() !== 'if-none-match') continue
      const tags = fields[at + 1]!.split(',').map((each) => each.trim().replace(/^W\//, ''))
      if (tags.includes(tag) || tags.includes('*')) return true
    }
    return false
  }

  requestBytes(): void {
    // A body beside GET is read past, and means nothing (RFC 9110 §9.3.1).
  }

  clientFlushed(): void {
    const goOn = this.#goOn
    this.#goOn = null
    goOn?.()
  }

  sweep(): void {
    // The connection looks after readers that stand still.
  }

  abandon(): void {
    this.#over = true
    this.clientFlushed()
  }
}
