import { Socket } from 'node:net'

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

const handleOf = (socket: Socket): Handle | null =>
  (socket as unknown as { _handle: Handle | null })._handle ?? null

/** Whether accepted sockets read into reused buffers on this Node. */
export const readsIntoReusedBuffers = slots !== null

/**
 * Reads a socket that was just accepted: `callback(length)` after each read into `buffer()`, or `data(chunk)` where that is not
 * possible. Either returns false to pause.
 */
export const readInto = (
  socket: Socket,
  buffer: () => Buffer,
  callback: (length: number) => boolean,
  data: (chunk: Buffer) => boolean,
): void => {
  const handle = handleOf(socket)
  if (slots === null || !handle || typeof handle.useUserBuffer !== 'function') {
    socket.on('data', (chunk: Buffer) => {
      if (!data(chunk)) socket.pause()
    })
    return
  }
  const first = buffer()
  const fields = socket as unknown as Record<symbol, unknown>
  fields[slots.buffer] = first
  fields[slots.callback] = callback
  fields[slots.generator] = buffer
  handle.useUserBuffer(first)
  socket.resume()
}

/**
 * A figure for what the kernel has not taken yet: 0 when everything is sent, and different after every byte that moved.
 * `writableLength` alone stands still while a big chunk is sent bit by bit.
 */
export const pendingBytes = (socket: Socket): number => {
  const unsent = socket.writableLength
  return unsent === 0 ? 0 : unsent + (handleOf(socket)?.writeQueueSize ?? 0)
}
