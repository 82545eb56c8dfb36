import type { OutgoingHttpHeaders } from 'node:http2'
import { AppError } from '../../contract/errors.ts'
import type { PushRequest } from '../../contract/node-api.ts'

/** APNs answers 413 PayloadTooLarge above this; refused here before it costs a stream. */
export const MAX_PAYLOAD_BYTES = 4_096

/** What all pushes of one request have in common. */
export interface PushMessage {
  body: Buffer
  headers: OutgoingHttpHeaders
}

/**
 * An update without alert, sound or badge wakes the app silently: APNs wants it marked `background` with priority 5, and
 * drops it otherwise ("Pushing background updates to your App").
 */
const isBackground = (payload: Record<string, unknown>): boolean => {
  const aps = payload.aps
  if (typeof aps !== 'object' || aps === null) return false
  const fields = aps as Record<string, unknown>
  return (
    fields['content-available'] === 1 &&
    fields.alert === undefined &&
    fields.sound === undefined &&
    fields.badge === undefined
  )
}

/** The payload as JSON. Throws `ERR_INVALID` for what cannot be written as such. */
const jsonOf = (payload: Record<string, unknown>): string => {
  try {
    return JSON.stringify(payload)
  } catch (cause) {
    // A few thousand levels are parsed without recursion and overflow the stack when they are written.
    throw new AppError(
      'ERR_INVALID',
      'The payload cannot be written as JSON: it is nested too deeply',
      { problems: [{ path: 'payload', message: 'is nested too deeply' }] },
      { cause },
    )
  }
}

/** Body and headers of a push without its token, id and authorization. Throws `ERR_TOO_LARGE`, `ERR_INVALID`. */
export const composeMessage = (request: PushRequest, topic: string): PushMessage => {
  const body = Buffer.from(jsonOf(request.payload))
  if (body.length > MAX_PAYLOAD_BYTES) {
    throw new AppError(
      'ERR_TOO_LARGE',
      `The payload is ${body.length} bytes of JSON; APNs takes at most ${MAX_PAYLOAD_BYTES}`,
      {
        bytes: body.length,
        limit: MAX_PAYLOAD_BYTES,
      },
    )
  }
  const background = isBackground(request.payload)
  const headers: OutgoingHttpHeaders = {
    ':method': 'POST',
    'apns-topic': topic,
    'apns-push-type': background ? 'background' : 'alert',
    'apns-priority': String(request.priority ?? (background ? 5 : 10)),
    'content-type': 'application/json',
    'content-length': body.length,
  }
  if (request.expiration !== undefined) headers['apns-expiration'] = String(request.expiration)
  if (request.collapseId !== undefined) headers['apns-collapse-id'] = request.collapseId
  return { body, headers }
}
