/** Log messages: text with `{expression}` in it; `{{` and `}}` are braces. */
import { compile, type Evaluate } from '../expressions/compile';
import type { Environment } from '../expressions/environment';
import { parseExpression } from '../expressions/parser';
import { ExpressionError } from '../expressions/syntax';
import { formatValue } from '../expressions/format';

/**
 * @returns a function that gives the text with its values put in
 * @throws ExpressionError for an expression that is wrong, and for a brace without its partner
 */
export function compileLogMessage(text: string, environment: Environment): () => string {
  const parts = splitMessage(text).map((part) =>
    typeof part === 'string' ? part : compile(parseExpression(part.expression), environment),
  );
  return () => parts.map((part) => (typeof part === 'string' ? part : valueText(part))).join('');
}

function valueText(evaluate: Evaluate): string {
  try {
    return formatValue(evaluate());
  } catch (error) {
    return `<${(error as Error).message}>`;
  }
}

type Part = string | { readonly expression: string };

function splitMessage(text: string): Part[] {
  const parts: Part[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if ((character === '{' || character === '}') && text[at + 1] === character) {
      literal += character;
      at += 2;
    } else if (character === '{') {
      const end = text.indexOf('}', at);
      if (end < 0) throw new ExpressionError("a '{' without its '}'; write '{{' for a brace", at);
      parts.push(literal, { expression: text.slice(at + 1, end) });
      literal = '';
      at = end + 1;
    } else if (character === '}') throw new ExpressionError("a '}' without its '{'; write '}}' for a brace", at);
    else {
      literal += character;
      at++;
    }
  }
  parts.push(literal);
  return parts.filter((part) => part !== '');
}
