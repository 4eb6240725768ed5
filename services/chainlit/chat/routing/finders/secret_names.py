"""What passwords and keys are called: regular expressions."""

from __future__ import annotations

NAMES_OF_PASSWORDS = (
    r"pass ?words?|passwd|pwd|pass ?phrase|pass ?code|master ?key|hasł\w|haslo|passwort\w*|kennwort\w*|mot de passe"
    r"|contraseña|clave|senha|lösenord|wachtwoord|heslo"
)
NAMES_OF_KEYS = (
    r"api[ _-]?keys?|(?:secret|access|account|private|subscription|storage|shared|signing|encryption)[ _-]?keys?"
    r"|client[ _-]?secret|secrets?|(?:access|auth|api|bearer|refresh|session)?[ _-]?tokens?|klucz\w*(?: api)?"
)
PREFIX = r"(?<![A-Za-z])(?:[A-Za-z0-9]{1,40}[_-]){0,4}"
