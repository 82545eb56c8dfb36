import { AppError } from './errors.ts'

/** Where a system answers, by what was typed: one word as `tidegate probe` takes it. */
type Where = { url: string } | { socket: string } | { address: string }

const HOST_PORT = /^(?:\[[0-9a-fA-F:.]+\]|[^\s:/@]+):([0-9]{1,5})$/

/** Throws `ERR_INVALID` where it is neither an http address, a path of a socket, nor host:port. */
export const whereOf = (text: string): Where => {
  if (/^https?:\/\//i.test(text)) return { url: text }
  const socket = text.replace(/^unix(?:\/\/|:)/, '')
  if (socket.startsWith('/')) return { socket }
  const port = Number(HOST_PORT.exec(text)?.[1] ?? Number.NaN)
  if (port > 0 && port < 65_536) return { address: text }
  throw new AppError(
    'ERR_INVALID',
    `${JSON.stringify(text.slice(0, 100))} is no address; give a URL such as http://127.0.0.1:9901, the absolute path of a socket such as /run/haproxy.sock, or host:port`,
    { problems: [{ path: 'where', message: 'must be a URL, the absolute path of a socket, or host:port' }] },
  )
}
