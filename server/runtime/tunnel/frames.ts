/**
 * The binary half of the tunnel protocol, version 1. One WebSocket message is one frame: a header of six bytes (type, flags,
 * stream id as uint32 big-endian) and its payload. `docs/tunnel-protocol.md` describes it; a test keeps both equal.
 */
export const FRAME = {
  /** relay → host: JSON `RequestHead`; flag END: no body follows. */
  request: 1,
  /** host → relay: JSON `ResponseHead`; flag END: no body follows. */
  response: 2,
  /** Body bytes, either way; flag END on the last (which may be empty). */
  data: 3,
  /** Ends the stream at once, either way: JSON `{code, message}`. */
  reset: 4,
  /** Credit for the sender, either way: uint32 bytes. */
  window: 5,
  /** host → relay: the target accepted the WebSocket: JSON `OpenHead`. */
  open: 6,
  /** A WebSocket message or a part of one, either way; flag END on its last part, flag TEXT where it is text. */
  message: 7,
  /** WebSocket close, either way: uint16 code, then the reason in UTF-8. Ends the stream. */
  close: 8,
} as const

export type FrameType = (typeof FRAME)[keyof typeof FRAME]

export const FLAG_END = 1
export const FLAG_TEXT = 2

export const FRAME_HEADER_BYTES = 6

/** Versions that this build supports, newest first. */
export const PROTOCOL_VERSIONS: readonly number[] = [1]
export const SUBPROTOCOL = 'tidegate.v1'

/** Bytes of body that each side may send on a new stream before the other grants more. */
export const INITIAL_WINDOW_BYTES = 256 * 1024
/** Body bytes in one frame at most: what a slow stream can put before the others' frames. */
export const MAX_CHUNK_BYTES = 64 * 1024
/** No message on a tunnel, or through it, is larger (`ws` closes with 1009). */
export const MAX_MESSAGE_BYTES = 1024 * 1024
/** Names and values of one head: as many, and as much, as any peer of either end would take. */
const MAX_HEAD_ITEMS = 400
const MAX_HEAD_BYTES = 64 * 1024
const MAX_PHRASE_BYTES = 512

/** Names and values alternate, as received: order, case and repetition are kept. Characters are bytes (Latin-1). */
export type HeaderList = string[]

export interface RequestHead {
  method: string
  /** Origin form, begins with `/`. */
  path: string
  headers: HeaderList
  upgrade?: 'websocket'
}

export interface ResponseHead {
  status: number
  message: string
  headers: HeaderList
}

export interface OpenHead {
  protocol: string
  headers: HeaderList
}

/** Why a stream was reset. */
export const RESET_CODES = [
  'client_gone',
  'target_unreachable',
  'target_failed',
  'host_busy',
  'timeout',
  'draining',
  'protocol_error',
  'tunnel_gone',
] as const
export type ResetCode = (typeof RESET_CODES)[number]

export interface Frame {
  type: number
  flags: number
  streamId: number
  payload: Buffer
}

export const encodeFrame = (
  type: FrameType,
  flags: number,
  streamId: number,
  payload?: Uint8Array,
): Buffer => {
  const size = payload?.byteLength ?? 0
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + size)
  frame[0] = type
  frame[1] = flags
  frame.writeUInt32BE(streamId, 2)
  if (payload) frame.set(payload, FRAME_HEADER_BYTES)
  return frame
}

/** Null for a message too short to be a frame. The payload is a view of `message`, not a copy. */
export const decodeFrame = (message: Buffer): Frame | null =>
  message.length < FRAME_HEADER_BYTES
    ? null
    : {
        type: message[0] ?? 0,
        flags: message[1] ?? 0,
        streamId: message.readUInt32BE(2),
        payload: message.subarray(FRAME_HEADER_BYTES),
      }

const parseJson = (payload: Buffer): Record<string, unknown> | null => {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    // Not JSON: the caller resets the stream with `protocol_error`.
    return null
  }
}

/** Header names are tokens, and so are methods and subprotocols (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** The characters of a field value and of a reason phrase (RFC 9110 §5.5, RFC 9112 §4): no control characters but tab, and bytes only. */
const TEXT = /^[\t\x20-\x7e\x80-\xff]*$/
/** Visible bytes: the characters of a request target. */
const TARGET = /^\/[\x21-\x7e\x80-\xff]*$/

/** What comes from the other end goes into a head on the wire: it is checked here, where it arrives, and not again later. */
const isHeaderList = (value: unknown): value is HeaderList => {
  if (!Array.isArray(value) || value.length % 2 !== 0 || value.length > MAX_HEAD_ITEMS) return false
  let bytes = 0
  for (const [index, item] of value.entries()) {
    if (typeof item !== 'string' || !(index % 2 === 0 ? TOKEN : TEXT).test(item)) return false
    bytes += item.length
  }
  return bytes <= MAX_HEAD_BYTES
}

export const parseRequestHead = (payload: Buffer): RequestHead | null => {
  const head = parseJson(payload)
  if (!head || typeof head.method !== 'string' || typeof head.path !== 'string') return null
  if (!TOKEN.test(head.method) || !TARGET.test(head.path) || !isHeaderList(head.headers)) return null
  const base = { method: head.method, path: head.path, headers: head.headers }
  return head.upgrade === 'websocket' ? { ...base, upgrade: 'websocket' } : base
}

export const parseResponseHead = (payload: Buffer): ResponseHead | null => {
  const head = parseJson(payload)
  if (!head || typeof head.status !== 'number' || !Number.isInteger(head.status)) return null
  if (head.status < 200 || head.status > 999 || !isHeaderList(head.headers)) return null
  const message = head.message ?? ''
  if (typeof message !== 'string' || message.length > MAX_PHRASE_BYTES || !TEXT.test(message)) return null
  return { status: head.status, message, headers: head.headers }
}

export const parseOpenHead = (payload: Buffer): OpenHead | null => {
  const head = parseJson(payload)
  if (!head || typeof head.protocol !== 'string' || !isHeaderList(head.headers)) return null
  if (head.protocol !== '' && !TOKEN.test(head.protocol)) return null
  return { protocol: head.protocol, headers: head.headers }
}

export const parseReset = (payload: Buffer): { code: ResetCode; message: string } => {
  const reset = parseJson(payload)
  const code = RESET_CODES.find((known) => known === reset?.code) ?? 'protocol_error'
  return { code, message: typeof reset?.message === 'string' ? reset.message.slice(0, 256) : '' }
}
