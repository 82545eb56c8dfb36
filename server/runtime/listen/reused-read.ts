import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Node offers `onread` (reading into a buffer of one's own) for sockets that dial, not for sockets that a server accepted. The
 * fields behind it are the same, so they are set here, found by name on a probe. Where a Node version lacks them, accepted
 * sockets read by 'data' events instead: slower, equally correct. The pinned Node has them; a test says so.
 */
type Slots = { buffer: symbol; callback: symbol; generator: symbol }

const findSlots = (): Slots | null => {
  const probe = new Socket()
  const found = new Map(Object.getOwnPropertySymbols(probe).map((symbol) => [symbol.description, symbol]))
  probe.destroy()
  const buffer = found.get('kBuffer')
  const callback = found.get('kBufferCb')
  const generator = found.get('kBufferGen')
  return buffer && callback && generator ? { buffer, callback, generator } : null
}

const slots = findSlots()

interface Handle {
  useUserBuffer?(buffer: Uint8Array): void
  writeQueueSize?: number
}

const handleOf = (socket: Duplex): Handle | null =>
  (socket as unknown as { _handle?: Handle | null })._handle ?? null

/** Whether accepted sockets read into reused buffers on this Node. */
export const readsIntoReusedBuffers = slots !== null

/**
 * Reads a socket that was just accepted: `callback(length)` after each read into `buffer()`, false to pause. Returns false, and does
 * nothing, where that is not possible.
 */
export const readInto = (
  socket: Duplex,
  buffer: () => Buffer,
  callback: (length: number) => boolean,
): boolean => {
  const handle = handleOf(socket)
  if (slots === null || !handle || typeof handle.useUserBuffer !== 'function') return false
  const first = buffer()
  const fields = socket as unknown as Record<symbol, unknown>
  fields[slots.buffer] = first
  fields[slots.callback] = callback
  fields[slots.generator] = buffer
  handle.useUserBuffer(first)
  socket.resume()
  return true
}

/**
 * A figure for what the kernel has not taken yet: 0 when everything is sent, and different after every byte that moved. `writableLength`
 * alone does not change while a big chunk is sent bit by bit.
 */
export const pendingBytes = (socket: Duplex): number => {
  const unsent = socket.writableLength
  return unsent === 0 ? 0 : unsent + (handleOf(socket)?.writeQueueSize ?? 0)
}
