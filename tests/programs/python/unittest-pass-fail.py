import unittest, sys, re, io
class T(unittest.TestCase):
    def setUp(self): self.x = 1
    def test_ok(self): self.assertEqual(self.x, 1)
    def test_fail(self): self.assertEqual([1, 2], [1, 3])
    def test_error(self): {}["k"]
    @unittest.skip("why")
    def test_skip(self): pass
out = io.StringIO()
r = unittest.main(exit=False, testRunner=unittest.TextTestRunner(stream=out, verbosity=2)).result
print(re.sub(r"in [\d.]+s", "in Ts", out.getvalue()))
sys.exit(not r.wasSuccessful())
