import type { MessagePort } from 'node:worker_threads'
import { within } from '../../time/deadline.ts'
import type { Directory, Holding, LostHolding } from './directory.ts'

/** How long a call over the port may take before it rejects. */
const CALL_TIMEOUT_MS = 5_000
/** Calls that may wait at once; more means that the other thread is gone or stuck. */
const MAX_PENDING_CALLS = 20_000

const PORT_CLOSED = 'The shared directory closed its port'

type Verb =
  | 'register'
  | 'refresh'
  | 'unregister'
  | 'removeMany'
  | 'clearNode'
  | 'lookup'
  | 'formerOwner'
  | 'owners'

type ToServer = { kind: 'hello' } | { kind: 'call'; id: number; verb: Verb; args: unknown[] }

type ToClient =
  | { kind: 'hello'; passKey: string; entries: number }
  | { kind: 'answer'; id: number; value: unknown; entries: number }
  | { kind: 'failed'; id: number; message: string }
  | { kind: 'lost'; lost: LostHolding }

/**
 * Serves `directory` to the worker at the other end of `port`. When the port closes (the worker ended or crashed), what was
 * registered through it is removed, so that nobody is sent to a relay that is gone.
 */
export class DirectoryServer {
  readonly #directory: Directory
  readonly #port: MessagePort
  /** What was registered through this port, with its fence. */
  readonly #held = new Map<string, number>()
  readonly #endSubscription: () => void
  readonly #onMessage = (message: ToServer): void => this.#take(message)
  readonly #onClose = (): void => this.#clear()
  #isClosed = false

  constructor(directory: Directory, port: MessagePort) {
    this.#directory = directory
    this.#port = port
    this.#endSubscription = directory.onLost((lost) => this.#tellLost(lost))
    port.on('message', this.#onMessage)
    port.on('close', this.#onClose)
    port.start()
    // The directory must not keep the process alive by itself.
    port.unref()
  }

  /** Stops serving and closes the port. What was registered through it stays. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#endSubscription()
    this.#port.off('message', this.#onMessage)
    this.#port.off('close', this.#onClose)
    this.#port.close()
  }

  #take(message: ToServer): void {
    const directory = this.#directory
    if (message.kind === 'hello') {
      this.#post({ kind: 'hello', passKey: directory.passKey, entries: directory.entries() })
      return
    }
    const { id } = message
    this.#run(message.verb, message.args).then(
      (value) => this.#post({ kind: 'answer', id, value, entries: directory.entries() }),
      (error: unknown) =>
        this.#post({ kind: 'failed', id, message: error instanceof Error ? error.message : String(error) }),
    )
  }

  async #run(verb: Verb, args: unknown[]): Promise<unknown> {
    const directory = this.#directory
    switch (verb) {
      case 'register': {
        const [hostId, owner] = args as Parameters<Directory['register']>
        const answer = await directory.register(hostId, owner)
        this.#held.set(hostId, answer.fence)
        return answer
      }
      case 'refresh':
        return await directory.refresh(args[0] as Holding[])
      case 'unregister': {
        const [hostId, fence] = args as [string, number]
        this.#letGo(hostId, fence)
        return await directory.unregister(hostId, fence)
      }
      case 'removeMany': {
        const holdings = args[0] as Holding[]
        for (const { hostId, fence } of holdings) this.#letGo(hostId, fence)
        return await directory.removeMany(holdings)
      }
      case 'clearNode':
        return await directory.clearNode(args[0] as string)
      case 'lookup':
        return await directory.lookup(args[0] as string)
      case 'formerOwner':
        return await directory.formerOwner(args[0] as string)
      case 'owners':
        return await directory.owners()
    }
  }

  /** Returns whether it belonged to this port. A worker may have replaced its own registration: the fence says which one is meant. */
  #letGo(hostId: string, fence: number): boolean {
    return this.#held.get(hostId) === fence && this.#held.delete(hostId)
  }

  #tellLost(lost: LostHolding): void {
    if (this.#letGo(lost.hostId, lost.fence)) this.#post({ kind: 'lost', lost })
  }

  /** The worker is gone, and with it every relay that it registered. */
  #clear(): void {
    const left = [...this.#held].map(([hostId, fence]) => ({ hostId, fence }))
    this.#held.clear()
    this.close()
    // The memory directory cannot fail; one that can forgets these entries by their age.
    this.#directory.removeMany(left).catch(() => undefined)
  }

  #post(message: ToClient): void {
    this.#port.postMessage(message)
  }
}

export interface ConnectDirectoryOptions {
  callTimeoutMs?: number
}

interface PendingCall {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** The same directory, seen from a worker through its end of the port. Every call rejects after 5 s without an answer. */
export const connectDirectory = (port: MessagePort, options: ConnectDirectoryOptions = {}): Directory =>
  new SharedDirectory(port, options.callTimeoutMs ?? CALL_TIMEOUT_MS)

class SharedDirectory implements Directory {
  readonly backend = 'shared'
  readonly #port: MessagePort
  readonly #callTimeoutMs: number
  readonly #pending = new Map<number, PendingCall>()
  readonly #listeners = new Set<(lost: LostHolding) => void>()
  #lastId = 0
  #entries = 0
  #passKey = ''
  #isReachable = true
  #isClosed = false

  constructor(port: MessagePort, callTimeoutMs: number) {
    this.#port = port
    this.#callTimeoutMs = callTimeoutMs
    port.on('message', (message: ToClient) => this.#take(message))
    port.on('close', () => {
      this.#isClosed = true
      this.#isReachable = false
      this.#failAll(PORT_CLOSED)
    })
    port.start()
    // What keeps a worker alive is its relay, not its directory.
    port.unref()
    this.#post({ kind: 'hello' })
  }

  get passKey(): string {
    return this.#passKey
  }

  register(...args: Parameters<Directory['register']>): ReturnType<Directory['register']> {
    return this.#call('register', ...args)
  }

  refresh(holdings: Parameters<Directory['refresh']>[0]): ReturnType<Directory['refresh']> {
    return this.#call('refresh', holdings)
  }

  unregister(hostId: string, fence: number): ReturnType<Directory['unregister']> {
    return this.#call('unregister', hostId, fence)
  }

  removeMany(holdings: Parameters<Directory['removeMany']>[0]): ReturnType<Directory['removeMany']> {
    return this.#call('removeMany', holdings)
  }

  clearNode(node: string): ReturnType<Directory['clearNode']> {
    return this.#call('clearNode', node)
  }

  lookup(hostId: string): ReturnType<Directory['lookup']> {
    return this.#call('lookup', hostId)
  }

  formerOwner(hostId: string): ReturnType<Directory['formerOwner']> {
    return this.#call('formerOwner', hostId)
  }

  owners(): ReturnType<Directory['owners']> {
    return this.#call('owners')
  }

  reachable(): boolean {
    return this.#isReachable
  }

  entries(): number {
    return this.#entries
  }

  onLost(listener: (lost: LostHolding) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#failAll('The directory was closed')
    this.#listeners.clear()
    this.#port.close()
  }

  async #call<T>(verb: Verb, ...args: unknown[]): Promise<T> {
    if (this.#isClosed) throw new Error(PORT_CLOSED)
    if (this.#pending.size >= MAX_PENDING_CALLS)
      throw new Error(`${MAX_PENDING_CALLS} calls to the shared directory are waiting`)
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    this.#pending.set(id, { resolve: (value) => resolve(value as T), reject })
    this.#post({ kind: 'call', id, verb, args })
    return await within(this.#callTimeoutMs, promise, {
      late: ({ limitMs }) => {
        this.#pending.delete(id)
        this.#isReachable = false
        throw new Error(`The shared directory did not answer "${verb}" within ${limitMs} ms`)
      },
    })
  }

  #take(message: ToClient): void {
    switch (message.kind) {
      case 'hello':
        this.#passKey = message.passKey
        this.#entries = message.entries
        return
      case 'answer':
        this.#isReachable = true
        this.#entries = message.entries
        this.#settle(message.id)?.resolve(message.value)
        return
      case 'failed':
        this.#settle(message.id)?.reject(new Error(message.message))
        return
      case 'lost':
        for (const listener of this.#listeners) listener(message.lost)
    }
  }

  #settle(id: number): PendingCall | undefined {
    const call = this.#pending.get(id)
    this.#pending.delete(id)
    return call
  }

  #failAll(message: string): void {
    for (const id of [...this.#pending.keys()]) this.#settle(id)?.reject(new Error(message))
  }

  #post(message: ToServer): void {
    this.#port.postMessage(message)
  }
}
