/** The name in a `Host`: lower case, without port and without the root's dot. */
export const hostName = (host: string): string => {
  const lower = host.toLowerCase()
  const name = lower.startsWith('[') ? lower.slice(0, lower.indexOf(']') + 1) : lower.split(':', 1)[0]!
  return name.endsWith('.') ? name.slice(0, -1) : name
}
