"""What HTTP asks of an answer: may it be stored, may it be sent, in which coding, and with which headers?"""
