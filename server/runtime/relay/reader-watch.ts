import type { Socket } from 'node:net'

/**
 * Calls `stuck` when bytes wait for a client and it has taken none of them for `ms`. A quiet connection is not stuck, and neither is a
 * slow one: Node restarts the time whenever the kernel took a part of what is written. 0 waits indefinitely. Returns the function that
 * ends the watch.
 */
export const watchReader = (socket: Socket, ms: number, stuck: () => void): (() => void) => {
  if (ms === 0) return () => undefined
  const look = (): void => {
    if (socket.writableLength > 0) stuck()
  }
  socket.setTimeout(ms)
  socket.on('timeout', look)
  return () => {
    socket.off('timeout', look)
  }
}
