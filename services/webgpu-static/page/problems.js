/** What went wrong and what to do, in the user's words: such an error's message is shown as it is. */
export class Problem extends Error {
  /**
   * @param {string} message
   * @param {string} code short and stable, such as "not-a-picture"
   * @param {unknown} [cause]
   */
  constructor(message, code, cause) {
    super(message, { cause });
    this.name = "Problem";
    this.code = code;
  }
}

/**
 * @param {unknown} error
 * @returns {string} what to show
 */
export function inWords(error) {
  if (error instanceof Problem) return error.message;
  return `Something unexpected happened: ${error instanceof Error ? error.message : String(error)}`;
}
