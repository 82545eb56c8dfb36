import type { Log } from './observe/log.ts'
import { within } from './time/deadline.ts'

interface Room {
  name: string
  close: () => Promise<unknown> | unknown
}

/** Rooms in the order in which they were opened; closed in reverse, each awaited, none able to stop the others from closing. */
export class OpenRooms {
  readonly #rooms: Room[] = []
  readonly #log: Log
  readonly #closeTimeoutMs: number

  constructor(log: Log, closeTimeoutMs = 10_000) {
    this.#log = log
    this.#closeTimeoutMs = closeTimeoutMs
  }

  add(name: string, close: Room['close']): void {
    this.#rooms.push({ name, close })
  }

  /** Closes all; answers the names of those that failed or did not end in time. */
  async closeAll(): Promise<string[]> {
    const failed: string[] = []
    for (let room = this.#rooms.pop(); room !== undefined; room = this.#rooms.pop()) {
      try {
        await within(this.#closeTimeoutMs, async () => room.close())
      } catch (error) {
        failed.push(room.name)
        this.#log.error({ room: room.name, err: error }, `${room.name} did not close cleanly`)
      }
    }
    return failed
  }
}

/**
 * Listens for the wish to stop: SIGTERM, SIGINT, SIGHUP, or the death of the launcher (its channel closes). A second signal is
 * ignored: sent to a process group, each arrives more than once.
 */
export class StopWish {
  readonly asked: Promise<string>
  #isAsked = false
  #ask: (reason: string) => void = () => undefined
  #end: () => void = () => undefined

  constructor() {
    this.asked = new Promise((stop) => {
      const resolve = (reason: string) => {
        this.#isAsked = true
        stop(reason)
      }
      this.#ask = resolve
      const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
      const onDisconnect = () => resolve('the launcher is gone')
      for (const signal of signals) process.on(signal, resolve)
      if (process.connected) process.on('disconnect', onDisconnect)
      this.#end = () => {
        // Signals stay ignored to the very end; only the channel's listener would keep the process alive.
        process.off('disconnect', onDisconnect)
      }
    })
  }

  /** True once somebody has asked. */
  get isAsked(): boolean {
    return this.#isAsked
  }

  /** Asks from inside, for example because an error escaped. */
  ask(reason: string): void {
    this.#ask(reason)
  }

  release(): void {
    this.#end()
  }
}

/**
 * For commands that end by SIGTERM: they end the same way when their launcher dies without a word (SIGKILL), which closes the
 * channel to it. Nobody would ever stop them otherwise.
 */
export const stopWithLauncher = (): void => {
  if (process.connected) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
}

/** Says each second how many seconds of a budget remain, until the work is done. */
export const countDown = async <T>(
  work: Promise<T>,
  budgetSeconds: number,
  say: (remaining: number) => void,
): Promise<T> => {
  const endsAt = Date.now() + budgetSeconds * 1_000
  const timer = setInterval(() => say(Math.max(0, Math.ceil((endsAt - Date.now()) / 1_000))), 1_000)
  try {
    return await work
  } finally {
    clearInterval(timer)
  }
}
