import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

const LOWEST = 10_240
const DEFAULT_EPHEMERAL_START = 32_768
const ATTEMPTS = 200

/** First port that the kernel gives to outgoing connections (`ip_local_port_range`). */
const ephemeralStart = async (): Promise<number> => {
  try {
    const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    const first = Number(text.trim().split(/\s+/)[0])
    return Number.isInteger(first) && first > 0 ? first : DEFAULT_EPHEMERAL_START
  } catch {
    return DEFAULT_EPHEMERAL_START // not Linux: other systems begin higher
  }
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/**
 * Free loopback ports that the kernel does not hand out by itself. A drained node gives its ports back and wants the same ones on
 * resume; of those that port 0 yields, outgoing connections would by then hold some (TIME_WAIT included), and the resume would
 * fail. Falls back to 0 where none is found.
 */
export const pickFreePorts = async (count: number): Promise<number[]> => {
  const span = (await ephemeralStart()) - LOWEST
  const ports = new Set<number>()
  for (let attempt = 0; attempt < ATTEMPTS && ports.size < count && span > count; attempt++) {
    const port = LOWEST + Math.floor(Math.random() * span)
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports, ...Array.from({ length: count - ports.size }, () => 0)]
}
