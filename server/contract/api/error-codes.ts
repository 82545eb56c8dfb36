import type { ErrorCode } from '../errors.ts'
import type { Route } from './route.ts'

const isMutation = ({ method }: Route): boolean => method !== 'GET'

/** Every code that a call can answer: its own, and those that follow from its role, its parameters and its body. */
export const errorCodesOf = (route: Route): ErrorCode[] => {
  const codes: ErrorCode[] = [...(route.errors ?? [])]
  if (route.hasParams) codes.push('ERR_NOT_FOUND')
  if (route.hasQuery) codes.push('ERR_INVALID')
  if (route.hasBody) codes.push('ERR_INVALID', 'ERR_TOO_LARGE', 'ERR_MEDIA_TYPE')
  if (route.role !== null) {
    codes.push('ERR_UNAUTHENTICATED', 'ERR_RATE_LIMITED', 'ERR_STORE_UNAVAILABLE')
    if (route.role !== 'viewer') codes.push('ERR_FORBIDDEN')
  }
  if (isMutation(route)) codes.push('ERR_ORIGIN', 'ERR_MEDIA_TYPE', 'ERR_STORE_UNAVAILABLE')
  // A foreign name in `Host`, the deadline of every handler, a process that is not open yet, and faults of ours.
  codes.push('ERR_HOST', 'ERR_CAPACITY', 'ERR_STARTING', 'ERR_INTERNAL')
  return [...new Set(codes)]
}
