import type { Tunnel } from '@/server/contract/fleet.ts'

/** Directory, socket and last pong side by side: whether they agree, and what each says. */
export const presenceText = ({ node, state, presence }: Tunnel): { agrees: boolean; text: string } => {
  const directory = presence.directory ? `directory ${presence.directory}` : 'not in directory'
  const socket = presence.relay ? 'socket open' : 'no socket'
  const agrees = state === 'registered' ? presence.relay && presence.directory === node : !presence.relay
  return { agrees, text: `${directory}, ${socket}` }
}
