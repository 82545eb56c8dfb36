import { resolve } from 'node:path'
import type { Duplex } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { within } from '../../../time/deadline.ts'

/** What a function of a `socket` route is told of the connection. */
export interface SocketInfo {
  readonly route: string
  /** Who is served. */
  readonly client: { readonly ip: string; readonly port: number }
  /** The port that it came in by. */
  readonly port: number
  /** The name that it asked for by TLS; null without. */
  readonly serverName: string | null
}

/**
 * Carries one connection. `stream` is the client's: what it has sent already waits in it, however late it is read. It ends with the
 * client's half, and the connection with both. An error that is thrown, or a promise that is rejected, ends the connection with a reset.
 */
export type SocketHandler = (stream: Duplex, info: SocketInfo) => void | Promise<void>

/** Also a module that never finishes loading must not hold up a change of routes. */
const LOAD_TIMEOUT_MS = 10_000

/** A function of a module, or why there is none, in words that follow its name. The same module is loaded once in a process. */
export const loadHandler = async (module: string, name: string): Promise<SocketHandler | string> => {
  let found: unknown
  try {
    const loaded = (await within(LOAD_TIMEOUT_MS, import(pathToFileURL(resolve(module)).href))) as Record<
      string,
      unknown
    >
    found = loaded[name]
  } catch (error) {
    return `names ${module}, which does not load: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'it threw'}`
  }
  if (typeof found !== 'function') return `names ${module}, which exports no function ${name}`
  return found as SocketHandler
}
