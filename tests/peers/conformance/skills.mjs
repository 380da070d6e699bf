// A host of skills (SEP-2640), as far as it loads one: it uses nothing that is not what the server's list says.

import { createHash } from 'node:crypto';

/** Why this text is not the file that `resource` is about and whose frontmatter `skill` tells; `undefined` if it is. */
export function discrepancy(skill, resource, text) {
  if (Buffer.byteLength(text) !== resource.size) return 'size';
  const digest = `sha256:${createHash('sha256').update(text, 'utf8').digest('hex')}`;
  if (digest !== resource.digest) return 'digest';
  if (resource.uri !== skill.uri) return undefined;
  const { frontmatter } = skill;
  const found = frontmatterOf(text);
  const keys = new Set([...Object.keys(frontmatter), ...Object.keys(found)]);
  return [...keys].some(key => frontmatter[key] !== found[key]) ? 'frontmatter' : undefined;
}

/** The lines `key: value` between the first two `---`: all that the suite's skills have. */
function frontmatterOf(text) {
  const [, yaml = ''] = /^---\n(.*?)^---$/ms.exec(text) ?? [];
  const pairs = yaml.split('\n').filter(Boolean).map(line => line.split(/: (.*)/s));
  return Object.fromEntries(pairs);
}
