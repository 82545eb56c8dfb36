import type { MessagePort } from 'node:worker_threads'
import type { Directory, Holding, LostHolding } from './directory.ts'

/** How long a call over the port may take before it rejects. */
const CALL_TIMEOUT_MS = 5_000
/** Calls that may wait at once; more means that the other thread is gone or stuck. */
const MAX_PENDING_CALLS = 20_000

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
 * registered through it is removed, so that nobody is sent to a relay that is gone. Answers the function that stops serving.
 */
export const serveDirectory = (directory: Directory, port: MessagePort): (() => void) => {
  const held = new Map<string, number>()
  const post = (message: ToClient): void => port.postMessage(message)

  const run = async (verb: Verb, args: unknown[]): Promise<unknown> => {
    switch (verb) {
      case 'register': {
        const [hostId, owner] = args as Parameters<Directory['register']>
        const answer = await directory.register(hostId, owner)
        held.set(hostId, answer.fence)
        return answer
      }
      case 'refresh':
        return await directory.refresh(args[0] as Holding[])
      case 'unregister': {
        const [hostId, fence] = args as [string, number]
        if (held.get(hostId) === fence) held.delete(hostId)
        return await directory.unregister(hostId, fence)
      }
      case 'removeMany': {
        const holdings = args[0] as Holding[]
        for (const { hostId, fence } of holdings) if (held.get(hostId) === fence) held.delete(hostId)
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

  const endSubscription = directory.onLost((lost) => {
    // A worker that replaced its own registration gets this too: the fence says which one is meant.
    if (held.get(lost.hostId) === lost.fence) {
      held.delete(lost.hostId)
      post({ kind: 'lost', lost })
    }
  })

  const onMessage = (message: ToServer): void => {
    if (message.kind === 'hello') {
      post({ kind: 'hello', passKey: directory.passKey, entries: directory.entries() })
      return
    }
    run(message.verb, message.args).then(
      (value) => post({ kind: 'answer', id: message.id, value, entries: directory.entries() }),
      (error: unknown) =>
        post({
          kind: 'failed',
          id: message.id,
          message: error instanceof Error ? error.message : String(error),
        }),
    )
  }

  let stopped = false
  const stop = (): void => {
    if (stopped) return
    stopped = true
    endSubscription()
    port.off('message', onMessage)
    port.off('close', onClose)
    port.close()
  }
  const onClose = (): void => {
    const left = [...held].map(([hostId, fence]) => ({ hostId, fence }))
    held.clear()
    stop()
    // The memory directory cannot fail; one that can forgets these entries by their age.
    directory.removeMany(left).catch(() => undefined)
  }
  port.on('message', onMessage)
  port.on('close', onClose)
  port.start()
  // The directory alone does not keep the process alive.
  port.unref()
  return stop
}

export interface ConnectDirectoryOptions {
  callTimeoutMs?: number
}

/** The same directory, seen from a worker through its end of the port. Every call rejects after 5 s without an answer. */
export const connectDirectory = (port: MessagePort, options: ConnectDirectoryOptions = {}): Directory => {
  const callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS
  const pending = new Map<
    number,
    { resolve(value: unknown): void; reject(error: Error): void; timer: NodeJS.Timeout }
  >()
  const listeners = new Set<(lost: LostHolding) => void>()
  let lastId = 0
  let entries = 0
  let passKey = ''
  let reachable = true
  let closed = false

  const settle = (id: number): { resolve(value: unknown): void; reject(error: Error): void } | undefined => {
    const call = pending.get(id)
    if (call) clearTimeout(call.timer)
    pending.delete(id)
    return call
  }

  const failAll = (message: string): void => {
    for (const id of [...pending.keys()]) settle(id)?.reject(new Error(message))
  }

  port.on('message', (message: ToClient) => {
    switch (message.kind) {
      case 'hello':
        passKey = message.passKey
        entries = message.entries
        return
      case 'answer':
        reachable = true
        entries = message.entries
        settle(message.id)?.resolve(message.value)
        return
      case 'failed':
        settle(message.id)?.reject(new Error(message.message))
        return
      case 'lost':
        for (const listener of listeners) listener(message.lost)
    }
  })
  port.on('close', () => {
    closed = true
    reachable = false
    failAll('The shared directory closed its port')
  })
  port.start()
  // What keeps a worker alive is its relay, not its directory.
  port.unref()
  const hello: ToServer = { kind: 'hello' }
  port.postMessage(hello)

  const call = async <T>(verb: Verb, ...args: unknown[]): Promise<T> => {
    if (closed) throw new Error('The shared directory closed its port')
    if (pending.size >= MAX_PENDING_CALLS)
      throw new Error(`${MAX_PENDING_CALLS} calls to the shared directory are waiting`)
    lastId += 1
    const id = lastId
    return await new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        pending.delete(id)
        reachable = false
        reject(new Error(`The shared directory did not answer "${verb}" within ${callTimeoutMs} ms`))
      }, callTimeoutMs)
      pending.set(id, { resolve: (value) => resolve(value as T), reject, timer })
      const message: ToServer = { kind: 'call', id, verb, args }
      port.postMessage(message)
    })
  }

  return {
    backend: 'shared',
    get passKey() {
      return passKey
    },
    register: (hostId, owner) => call('register', hostId, owner),
    refresh: (holdings) => call('refresh', holdings),
    unregister: (hostId, fence) => call('unregister', hostId, fence),
    removeMany: (holdings) => call('removeMany', holdings),
    clearNode: (node) => call('clearNode', node),
    lookup: (hostId) => call('lookup', hostId),
    formerOwner: (hostId) => call('formerOwner', hostId),
    owners: () => call('owners'),
    reachable: () => reachable,
    entries: () => entries,
    onLost(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close() {
      if (closed) return
      closed = true
      failAll('The directory was closed')
      listeners.clear()
      port.close()
    },
  }
}
